import { basename } from "node:path";

await new Promise((resolve) => setTimeout(resolve, 5));
console.log(basename(process.argv[1]), process.argv.slice(2).join(" "));
