/** A file or folder to write into an initramfs. */
export interface CpioFile {
  readonly path: string;
  /** Permissions. */
  readonly mode: number;
  /** Absent for a folder. */
  readonly data?: Uint8Array;
  /** The target of a symbolic link. */
  readonly target?: string;
}

/**
 * A cpio archive ("newc") of files, links and folders that root owns, folders first. As cpio does, it is
 * padded to 512 bytes: the kernel recognises a following archive only at a multiple of four.
 */
export function cpioArchive(files: readonly CpioFile[]): Buffer {
  const parts = files.map(({ path, mode, data, target }, index) => {
    const kind = target !== undefined ? 0o120000 : data ? 0o100000 : 0o040000;
    return entry(path, kind | mode, data ?? Buffer.from(target ?? ""), index + 1);
  });
  return filled(Buffer.concat([...parts, entry("TRAILER!!!", 0, new Uint8Array(), 0)]), 512);
}

/** `data`, filled with zeros to a multiple of `unit` bytes. */
export function filled(data: Uint8Array, unit: number): Buffer {
  return Buffer.concat([data, Buffer.alloc((unit - (data.length % unit)) % unit)]);
}

// Documentation/driver-api/early-userspace/buffer-format.rst of Linux: inode, mode, owner, group, links, time, size, four
// numbers of devices, length of the name, checksum.
function entry(path: string, mode: number, data: Uint8Array, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const head = `070701${fields.map((one) => one.toString(16).padStart(8, "0")).join("")}`;
  return Buffer.concat([filled(Buffer.concat([Buffer.from(head), name]), 4), filled(data, 4)]);
}
