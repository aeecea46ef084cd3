/** A byte range of a file system. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Where the contents of a file are, in order and without holes. A string says why that is not certain, worded to follow
 * the file's name. `undefined` if there is no such file.
 */
export type FilePlaces = readonly Place[] | string | undefined;

export const notAFile = "is reached through a link, or is not a file";
export const hasHoles = "is a swap file with holes";
