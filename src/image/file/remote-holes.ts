import type { Runner } from "../../host/host.ts";
import type { DataRange } from "./holes.ts";

/**
 * The data ranges of a raw image on another machine, by that machine's Python; `undefined` if it has none, or if its kernel
 * does not tell. A file over sshfs has no holes.
 */
export async function farDataRanges(host: Runner, image: string): Promise<DataRange[] | undefined> {
  const { stdout, exitCode } = await host.run(["sh", "-c", script, "sh", image], { allow: [1, 44] });
  if (exitCode !== 0) return undefined;
  return [...stdout.matchAll(/^(\d+) (\d+)$/gm)].map(([, start, end]) => ({
    start: Number(start),
    length: Number(end) - Number(start),
  }));
}

// For every Python from 2.4 on. 3 is SEEK_DATA, and 4 SEEK_HOLE. ENXIO: no data follows.
const script = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec
for python in python3 python2 python platform-python; do
  command -v $python > /dev/null && exec $python -c '
import errno, os, sys
image = os.open(sys.argv[1], os.O_RDONLY)
size, at = os.fstat(image).st_size, 0
try:
    while at < size:
        start = os.lseek(image, at, 3)
        at = os.lseek(image, start, 4)
        sys.stdout.write("%d %d\\n" % (start, at))
except OSError:
    if sys.exc_info()[1].errno != errno.ENXIO:
        sys.exit(1)
' "$1"
done
exit 44`;
