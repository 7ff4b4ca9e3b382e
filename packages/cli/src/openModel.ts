import { findVersions } from "@nagare/serve";
import type { LoadedModel } from "nagare";
import { load } from "nagare";
import { existingFolder } from "nagare/backend";

/** A model of the command line: the newest version of a folder, or the version that the folder is. */
export interface OpenedModel {
  readonly name: string;
  readonly version: number;
  readonly folder: string;
  readonly model: LoadedModel;
}

/** Loads the model in `path`. Throws ValueError when there is none, FormatError when it is damaged. */
export async function openModel(path: string): Promise<OpenedModel> {
  const { name, folders } = await findVersions(path);
  const [[version, newest] = [1, path]] = folders;
  const folder = await existingFolder(newest);
  return { name, version, folder, model: await load(folder) };
}
