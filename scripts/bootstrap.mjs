#!/usr/bin/env node
/**
 * The entry of every npm script. It prepares a bare clone (dependencies, Node 24, native engine), then hands over to
 * Node 24. Plain JavaScript without dependencies, because it runs before either is there: on any Node ≥ 20.
 *
 * Set-up messages go to stderr, so that stdout holds only what the command itself prints. When nothing has to be
 * done it prints nothing.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  existsSync,
  constants as fileConstants,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const REQUIRED_NODE = 24;
const source = "--conditions=nagare-source";
const biome = "node_modules/@biomejs/biome/bin/biome";

/** What each command needs, and what Node 24 then runs. `arguments_` are the user's own. */
const commands = {
  setup: { native: "optional", run: () => undefined },
  start: { native: "optional", run: (arguments_) => [source, "examples/digits/main.ts", ...arguments_] },
  test: { native: "required", run: (arguments_) => [source, "scripts/test.ts", ...arguments_] },
  bench: { native: "required", run: (arguments_) => [source, "bench/main.ts", ...arguments_] },
  docs: { native: "none", run: (arguments_) => [source, "docs/main.ts", ...arguments_] },
  build: { native: "required", run: (arguments_) => ["scripts/build.ts", ...arguments_] },
  pack: { native: "required", run: (arguments_) => ["scripts/pack.ts", "prepare", ...arguments_] },
  lint: { native: "none", run: (arguments_) => ["scripts/lint/main.ts", ...arguments_] },
  format: {
    native: "none",
    run: (arguments_) => [biome, "check", "--write", ...(arguments_.length ? arguments_ : ["."])],
  },
};

class SetupError extends Error {}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Does `platforms` (npm's `os` or `cpu` list) admit this machine? Absent means every machine. */
function admits(platforms, here) {
  return platforms === undefined || platforms.includes(here);
}

/**
 * The first package whose installed version differs from the lock file, or undefined when node_modules is right.
 * npm records what it installed in node_modules/.package-lock.json, and writes that file last.
 */
function firstStalePackage() {
  const wanted = readJson(join(root, "package-lock.json"))?.packages;
  if (!wanted) {
    throw new SetupError(
      "package-lock.json: expected npm's lock file in the repository; received none that can be read. Restore it from git.",
    );
  }
  const installed = readJson(join(root, "node_modules/.package-lock.json"))?.packages;
  if (!installed) return "node_modules";
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes("node_modules/")) continue;
    const found = installed[path];
    if (found && found.version === entry.version && found.integrity === entry.integrity) continue;
    // Packages that name a C library come in twos, of which npm installs the fitting one.
    const belongsElsewhere =
      entry.optional &&
      (entry.libc || !admits(entry.os, process.platform) || !admits(entry.cpu, process.arch));
    if (!found && belongsElsewhere) continue;
    return path.replace(/^.*node_modules\//, "");
  }
  return undefined;
}

/** Node ≥ 24 from node_modules, or this very process when it is new enough (platforms without such a package). */
function findNode() {
  const local = join(root, "node_modules/.bin/node");
  if (existsSync(local)) return local;
  if (Number.parseInt(process.versions.node, 10) >= REQUIRED_NODE) return process.execPath;
  throw new SetupError(
    `Node ${REQUIRED_NODE}: expected it in node_modules for ${process.platform}-${process.arch}; received none, ` +
      `and this is Node ${process.versions.node}. Install Node ${REQUIRED_NODE} or newer and run the command with it.`,
  );
}

function checkNode(node) {
  const answer = spawnSync(node, ["--version"], { encoding: "utf8" });
  const version = answer.stdout?.trim() ?? "";
  if (answer.status === 0 && Number.parseInt(version.slice(1), 10) >= REQUIRED_NODE) return version;
  const reason = answer.error?.message ?? `${version} ${answer.stderr ?? ""}`.trim();
  throw new SetupError(
    `${relative(root, node)}: expected Node ${REQUIRED_NODE} or newer; received: ${reason}. ` +
      `Install Node ${REQUIRED_NODE} or newer and run the command with it.`,
  );
}

/** The C++ compiler that the native build will use: $CXX, else the first of the usual names in PATH. */
function findCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"];
  for (const name of names) {
    const candidates = name.includes("/")
      ? [name]
      : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
    for (const candidate of candidates) {
      try {
        accessSync(candidate, fileConstants.X_OK);
        return candidate;
      } catch {
        // The next folder of PATH may have it.
      }
    }
  }
  return undefined;
}

/** Without the folder that npm puts in front: `npm ci` deletes that folder while it runs. */
function systemPath() {
  const bin = join(root, "node_modules/.bin");
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder !== bin)
    .join(delimiter);
}

/** Runs a set-up step, with a sign of life every ten seconds; resolves to its exit code. */
function step(label, command, arguments_, options = {}) {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, arguments_, { cwd: root, stdio: ["ignore", 2, 2], ...options });
    const pulse = setInterval(() => say(`nagare: ${label}: still at it, ${seconds(started)}`), 10_000);
    child.once("error", (error) => {
      clearInterval(pulse);
      reject(new SetupError(`${label}: ${command} could not be started: ${error.message}`));
    });
    child.once("exit", (code, signal) => {
      clearInterval(pulse);
      resolve(code ?? (signal ? 1 : 0));
    });
  });
}

async function installDependencies(stale) {
  const started = performance.now();
  say(`nagare: dependencies: npm ci (${stale} is missing or differs from package-lock.json)`);
  const [command, ...prefix] =
    process.env.npm_node_execpath && process.env.npm_execpath
      ? [process.env.npm_node_execpath, process.env.npm_execpath]
      : ["npm"];
  // Workspace packages ask for Node ≥ 22 and npm may run on 20: only errors are worth a line here.
  const code = await step("dependencies", command, [...prefix, "ci", "--loglevel=error"], {
    env: { ...process.env, PATH: systemPath(), npm_config_ignore_scripts: "true" },
  });
  if (code !== 0) {
    throw new SetupError(
      `npm ci: expected exit code 0; received ${code}. Its messages are above; check the connection to the npm ` +
        "registry, then run the same command again.",
    );
  }
  say(`nagare: dependencies: installed in ${seconds(started)}; Node ${checkNode(findNode())}`);
}

/** Runs the incremental native build, which prints only when it has work. */
async function buildNative(node, need) {
  const script = "packages/native/scripts/build.ts";
  if (!findCompiler()) {
    say(
      `nagare: warning: no C++ compiler found (looked for ${process.env.CXX ?? "c++, g++ and clang++"} in PATH), so the ` +
        "native engine is not built now. Without a build Nagare runs on the reference backend: same results, many times " +
        "slower. Remedy: install g++ or clang++ (Debian: apt-get install g++), or name a compiler in CXX.",
    );
    return;
  }
  const code = await step("native engine", node, [script]);
  if (code === 0) return;
  const message = `${script}: expected exit code 0; received ${code}. The compiler's messages are above.`;
  if (need === "required") throw new SetupError(message);
  say(`nagare: warning: ${message} Going on with the reference backend: same results, many times slower.`);
}

/**
 * One set-up at a time per checkout: two `npm ci` at once would break each other. The lock is a file that holds its
 * owner's process id (a hard link, so that it appears with its content); a lock whose owner is gone is taken over.
 */
async function exclusively(work) {
  const lock = join(root, ".cache/setup.lock");
  const mine = `${lock}.${process.pid}`;
  mkdirSync(dirname(lock), { recursive: true });
  writeFileSync(mine, String(process.pid));
  const release = () => rmSync(lock, { force: true });
  try {
    for (let told = false; !takeLock(mine, lock); told = true) {
      const owner = Number(readText(lock));
      if (owner > 0 && !alive(owner)) release();
      else if (!told) say(`nagare: process ${owner} is setting up this checkout; waiting for it`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    rmSync(mine, { force: true });
  }
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.removeListener("exit", release);
    release();
  }
}

function takeLock(mine, lock) {
  try {
    linkSync(mine, lock);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  }
}

function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Hands the terminal to Node 24 and ends as it ends. The npm scripts use the shell's exec, so signals get this far. */
function handOver(node, arguments_) {
  const child = spawn(node, arguments_, { cwd: root, stdio: "inherit" });
  // Ctrl-C reaches the child through the terminal; other senders know only this process.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (!(signal === "SIGINT" && process.stdin.isTTY)) child.kill(signal);
    });
  }
  child.once("error", (error) => {
    say(`nagare: ${node}: could not be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.once("exit", (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}

async function main([name = "setup", ...arguments_]) {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    throw new SetupError(
      `bootstrap: expected one of ${Object.keys(commands).join(", ")}; received "${name}".`,
    );
  }
  const node = await exclusively(async () => {
    const stale = firstStalePackage();
    if (stale) await installDependencies(stale);
    const found = findNode();
    if (command.native !== "none") await buildNative(found, command.native);
    return found;
  });
  const run = command.run(arguments_);
  if (run) handOver(node, run);
  else say(`nagare: ready (${relative(root, node)} ${checkNode(node)})`);
}

main(process.argv.slice(2)).catch((error) => {
  say(error instanceof SetupError ? `nagare: ${error.message}` : (error.stack ?? String(error)));
  process.exitCode = 1;
});
