/** Offsets in an entry of a folder (fatgen103, section 6). All numbers are little-endian. */
export const entryAt = {
  /** Eight bytes, and three of the extension. */
  name: 0,
  attributes: 11,
  /** Bits that say which part of the name is in lower case (Windows NT and Linux). */
  lowerCase: 12,
  created: 16,
  accessed: 18,
  firstHigh: 20,
  modified: 24,
  first: 26,
  size: 28,
} as const;

/** An entry that has a part of a long name (section 7). */
export const longAt = {
  order: 0,
  checksum: 13,
  /** From and to: thirteen units of UTF-16 in three places. */
  text: [
    [1, 11],
    [14, 26],
    [28, 32],
  ],
} as const;

export const entryBytes = 32;
export const shortNameBytes = 11;
/** Of the text of a long name, in one entry. */
export const longTextBytes = 26;

/** The first byte of an entry. */
export const marks = { end: 0, free: 0xe5, lastPart: 0x40 } as const;

/** Bits of the attributes. A long name's entry has the four lowest. */
export const attribute = { label: 0x08, folder: 0x10, archive: 0x20, long: 0x0f, all: 0x3f } as const;

export const lowerCase = { base: 0x08, extension: 0x10 } as const;

/** The first day that FAT knows, 1 January 1980. */
export const firstDay = 0x0021;
