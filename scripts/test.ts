/**
 * The test command: static checks, then every test file under node:test. With arguments, only the tests they name:
 *
 *   npm test                         everything
 *   npm test -- FILE …               the tests of these files or folders
 *   npm test -- --op exp             the tests whose name holds the word "exp", such as the generated suite of that op
 *   npm test -- --name "keeps .*"    the tests whose full name matches the pattern
 *   npm test -- --test-reporter=dot  any other option goes to node --test
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

const root = join(import.meta.dirname, "..");
const testFiles = ["testing/**/*.test.ts", "packages/*/**/*.test.ts"];

interface Selection {
  readonly files: string[];
  readonly patterns: string[];
  readonly options: string[];
}

function fail(message: string): never {
  console.error(`npm test: ${message}`);
  process.exit(1);
}

function findTests(patterns: string[], folder: string): string[] {
  return globSync(patterns, {
    cwd: folder,
    exclude: (path) => /(?:^|\/)(?:node_modules|dist|build)$/.test(path),
  })
    .map((file) => resolve(folder, file))
    .sort();
}

/** Test files that a path names; npm runs scripts in the root, the user typed the path where they stood. */
function filesAt(path: string): string[] {
  const candidates = [resolve(process.env.INIT_CWD ?? root, path), resolve(root, path)];
  for (const candidate of candidates) {
    const found = statSync(candidate, { throwIfNoEntry: false });
    if (found?.isFile()) return [candidate];
    if (!found?.isDirectory()) continue;
    const files = findTests(["**/*.test.ts"], candidate);
    if (files.length > 0) return files;
    fail(`expected a folder with *.test.ts files; received ${path}, which has none.`);
  }
  return fail(
    `expected a test file, a folder, --op NAME, --name PATTERN or an option of node --test; received "${path}". ` +
      `To run tests by name, use npm test -- --name "${path}".`,
  );
}

/** The test name pattern for a name between characters that are no part of a name. */
function wholeWord(name: string): string {
  return `/(^|[^\\w])${name.replace(/\W/g, "\\$&")}([^\\w]|$)/`;
}

function checkPattern(pattern: string): string {
  try {
    new RegExp(pattern);
    return pattern;
  } catch (error) {
    return fail(
      `expected a regular expression after --name; received ${pattern}: ${(error as Error).message}.`,
    );
  }
}

function parse(arguments_: readonly string[]): Selection {
  const selection: Selection = { files: [], patterns: [], options: [] };
  for (let at = 0; at < arguments_.length; at += 1) {
    const argument = arguments_[at] ?? "";
    const [option, inline] = argument.split(/=(.*)/s);
    if (option === "--op" || option === "--name") {
      const value = inline ?? arguments_[++at] ?? fail(`expected a value after ${option}; received none.`);
      selection.patterns.push(option === "--op" ? wholeWord(value) : checkPattern(value));
    } else if (argument.startsWith("-")) selection.options.push(argument);
    else selection.files.push(...filesAt(argument));
  }
  return selection;
}

function runNode(arguments_: readonly string[]): number {
  const { status, error } = spawnSync(process.execPath, arguments_, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  return status ?? 1;
}

const { files, patterns, options } = parse(process.argv.slice(2));
const selective = files.length + patterns.length > 0;
if (!selective) {
  const status = runNode(["scripts/lint/main.ts"]);
  if (status !== 0) process.exit(status);
}
const chosen = files.length > 0 ? files : findTests(testFiles, root);
if (chosen.length === 0) fail(`expected test files at ${testFiles.join(" or ")}; found none.`);
const command = [
  "--conditions=nagare-source",
  "--test",
  // Node's default on two cores is one file at a time; most files wait for something now and then.
  "--test-concurrency=2",
  ...patterns.map((pattern) => `--test-name-pattern=${pattern}`),
  ...options,
];
const paths = chosen.map((file) => relative(root, file));
if (patterns.length > 0 && !options.some((option) => option.startsWith("--test-reporter"))) {
  const folder = mkdtempSync(join(tmpdir(), "nagare-test-"));
  const matched = join(folder, "matched");
  const reporters = [
    ["spec", "stdout"],
    ["./scripts/matchedTests.ts", matched],
  ].flatMap(([reporter, place]) => [`--test-reporter=${reporter}`, `--test-reporter-destination=${place}`]);
  process.exitCode = runNode([...command, ...reporters, ...paths]);
  const count = readFileSync(matched, "utf8");
  rmSync(folder, { recursive: true });
  if (count === "0") fail(`expected tests whose name matches ${patterns.join(" or ")}; found none.`);
} else {
  process.exitCode = runNode([...command, ...paths]);
}
