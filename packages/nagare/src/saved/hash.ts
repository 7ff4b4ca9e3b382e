/** SHA-256, by which readers notice damaged files. */
import { nodeModule } from "../core/index.ts";

/** How much the engine hashes in one call: its own limit is 2 GiB. */
const pieceBytes = 1 << 30;

/** The SHA-256 of the given parts one after the other, in hexadecimal digits. */
export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = nodeModule<typeof import("node:crypto")>("node:crypto", "sha256").createHash("sha256");
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; at += pieceBytes) hash.update(part.subarray(at, at + pieceBytes));
  }
  return hash.digest("hex");
}
