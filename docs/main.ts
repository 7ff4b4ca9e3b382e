/** Writes the generated pages of this folder: `npm run docs`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { operationsPage } from "./operations.ts";

const page = "operations.md";
writeFileSync(join(import.meta.dirname, page), operationsPage());
console.log(`docs/${page} is up to date`);
