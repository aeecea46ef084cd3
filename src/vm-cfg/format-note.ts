/** A note on a disk that is qcow2, although its vm.cfg has it attached as raw. `file:` and `tap:aio:` mean raw. */
export function qcow2AsRaw(file: string): string {
  return `vm.cfg attaches ${file} as raw, but it is a qcow2 image: it is read as qcow2, so its guest sees another disk than before`;
}
