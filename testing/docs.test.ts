/** What the documents say is true: their programs compile, and both READMEs say the same. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { operationsPage } from "../docs/operations.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

function codeBlocks(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code ?? "");
}

const withoutComments = (code: string): string => code.replaceAll(/\s*\/\/.*$/gm, "");

test("the English and the Japanese README have the same programs, headings and links", () => {
  const [english, japanese] = [read("README.md"), read("README.ja.md")];
  for (const language of ["ts", "sh"]) {
    const blocks = [english, japanese].map((text) =>
      codeBlocks(text, language).map((code) => withoutComments(code).replaceAll(/\s+#.*$/gm, "")),
    );
    assert.deepEqual(blocks[0], blocks[1]);
  }
  const levels = (text: string) => [...text.matchAll(/^(#+) /gm)].map(([, hashes]) => hashes);
  assert.deepEqual(levels(english), levels(japanese));
  const links = (text: string) =>
    [...text.matchAll(/\]\(([^)]+)\)/g)]
      .map(([, target]) => target)
      .filter((target) => !target?.startsWith("README"))
      .sort();
  assert.deepEqual(links(english), links(japanese));
});

test("the programs in the README compile", () => {
  const [opening = "", ...others] = codeBlocks(read("README.md"), "ts");
  const folder = mkdtempSync(join(import.meta.dirname, ".readme-"));
  try {
    // Later blocks go on from the opening program, as a reader does; their `x` and `f` are their own.
    const blocks = others.map((code) => `{\n${code}\n}`).join("\n");
    const names = "declare const validation: ng.train.LabeledData;";
    writeFileSync(join(folder, "program.ts"), `${opening}\n${names}\n${blocks}\n`);
    const config = {
      extends: "../../tsconfig.json",
      include: ["program.ts"],
      exclude: [],
      compilerOptions: { noUnusedLocals: false },
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    assert.equal(tsc.status, 0, tsc.stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the page of operations is what the records say", () => {
  assert.equal(read("docs/operations.md"), operationsPage(), "npm run docs brings it up to date");
});

test("the relative links of the documents lead somewhere", () => {
  for (const document of [
    "README.md",
    "README.ja.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/operations.md",
  ]) {
    for (const [, target = ""] of read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      assert.ok(read(target).length > 0, `${document} → ${target}`);
    }
  }
});
