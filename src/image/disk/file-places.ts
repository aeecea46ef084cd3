/** A byte range of a file system. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * The ranges of a file's contents, in order and without holes. A string is the reason why they are uncertain,
 * worded to follow the file's name. `undefined` if there is no such file.
 */
export type FilePlaces = readonly Place[] | string | undefined;

export const notAFile = "is reached through a link, or is not a file";
export const hasHoles = "is a swap file with holes";
