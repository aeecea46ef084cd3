/** The program of clone detection in a guest. */
export const cloneProgram = "/usr/libexec/tbuild-clone";

/** Its services, in starting order. */
export const cloneServices = ["tbuild-clone-detect", "tbuild-clone"] as const;

/** The MAC addresses of the configured machine, one on each line; in a sealed template, the word below. */
export const cloneRecord = "/var/lib/tbuild-clone/macs";
export const sealedRecord = "template";

/** Exists while a clone must still be configured. */
export const clonePending = "/var/lib/tbuild-clone/pending";
