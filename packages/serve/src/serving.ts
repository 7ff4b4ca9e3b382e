import { RequestError } from "./errors.ts";
import type { NonFinite } from "./json/index.ts";
import type { ServableModel } from "./model.ts";

/** One model while it is served: what the routes know of the server. */
export interface Serving {
  readonly name: string;
  readonly versions: ReadonlyMap<number, ServableModel>;
  readonly nonFinite: NonFinite;
  /** Set when the server shuts down: requests in flight are answered, new ones refused. */
  draining: boolean;
}

/** The model and version a path names, the newest when it names none. Throws RequestError 404. */
export function findModel(
  serving: Serving,
  name: string,
  versionText: string | undefined,
): { version: number; model: ServableModel } {
  if (name !== serving.name) {
    throw new RequestError(
      404,
      `Model: expected "${serving.name}", the one served here; received ${JSON.stringify(name)}.`,
    );
  }
  const present = [...serving.versions.keys()];
  const isNumber = versionText !== undefined && /^\d{1,15}$/.test(versionText);
  const version = versionText === undefined ? Math.max(...present) : isNumber ? Number(versionText) : -1;
  const model = serving.versions.get(version);
  if (model) return { version, model };
  throw new RequestError(
    404,
    `Version of "${name}": expected one of ${present.join(", ")}; received ${JSON.stringify(versionText)}.`,
  );
}
