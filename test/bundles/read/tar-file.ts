/** Makes tar archives byte by byte that no tar program would pack. */

export interface RawEntry {
  readonly name: string;
  readonly data?: string | Uint8Array;
  /** `0` a file, `1` a hard link, `2` a symbolic link, `3` a device, `5` a folder … */
  readonly type?: string;
  /** The size in the header, if it differs from that of the data. */
  readonly size?: number;
  readonly link?: string;
}

export function tarFile(entries: readonly RawEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)]);
}

export function tarEntry({ name, data = "", type = "0", size, link = "" }: RawEntry): Buffer {
  const body = Buffer.from(data);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, "utf8");
  header.write("0000644\x000000000\x000000000\0", 100, "latin1");
  header.write(`${(size ?? body.length).toString(8).padStart(11, "0")}\0`, 124, "latin1");
  header.write("00000000000\0        ", 136, "latin1");
  header.write(type, 156, "latin1");
  header.write(link, 157, 100, "utf8");
  header.write("ustar\x0000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
