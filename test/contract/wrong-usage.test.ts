import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const main = join(import.meta.dirname, "../../dist/bin/main.js");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-wrong-"));
  await writeFile(join(folder, "junk.img"), "garbage");
  await truncate(join(folder, "junk.img"), 7);
  await writeFile(join(folder, "empty.img"), "");
  await truncate(join(folder, "empty.img"), 10 << 20);
  await writeFile(join(folder, "bad.yaml"), "name: [\n");
  await mkdir(join(folder, "folder"));
  await symlink("nowhere", join(folder, "dangling"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly said: string;
}

function tbuild(line: string): Promise<Ended> {
  return new Promise((resolve) => {
    const args = line.split(" ").filter((word) => word !== "");
    const child = execFile(
      process.execPath,
      [main, ...args],
      { cwd: folder, timeout: 60_000 },
      (error, stdout, stderr) =>
        resolve({
          code: error === null ? 0 : typeof error.code === "number" ? error.code : -1,
          said: `${stdout}${stderr}`,
        }),
    );
    child.stdin?.end();
  });
}

/** What people type wrong: the command line, its exit code, and the words that tell them what to do. */
const lines: readonly (readonly [string, number, RegExp])[] = [
  ["", 2, /Usage: tbuild/],
  ["nosuchcommand", 2, /unknown command 'nosuchcommand'/],
  ["recpie ol6-grid", 2, /Did you mean recipe\?/],
  ["recipe", 2, /no recipe named\nAvailable: ol5-base/],
  ["recipe nosuch", 2, /nosuch: no such recipe; available: ol5-base/],
  ["recipe ol6-gird", 2, /did you mean "ol6-grid"\?/],
  ["recipe ol6-base nosuch --rehearse", 2, /nosuch: no such recipe/],
  ["recipe ol6-grid --rehears", 2, /Did you mean --rehearse\?/],
  ["recipe ol6-base --site nosuch.yaml", 2, /nosuch\.yaml: no such site file/],
  ["recipe ol6-base --site bad.yaml", 2, /bad\.yaml: not a YAML file\n {2}bad\.yaml:2:1/],
  ["recipe ol6-base --site folder", 3, /folder/],
  ["recipe ol6-base --set machine.memory=lots", 2, /"lots" is not a size such as 500M/],
  ["recipe ol6-base --set nosuch=1", 2, /--set nosuch.*: no such key/],
  ["recipe ol6-base --set =1", 2, /not key=value\nFor example/],
  ["recipe ol6-base --set machine.memory", 2, /not key=value\nFor example/],
  ["recipe ol6-base --var-file nosuch.yaml", 2, /nosuch\.yaml: cannot be read/],
  ["recipe ol6-base --debug", 2, /--debug: it asks on a terminal, and standard input is none/],
  ["recipe ol6-base --on-error ask --json", 2, /--on-error ask: it asks, and --json is for programs/],
  ["recipe ol6-base --on-error ask --jobs 2", 2, /--on-error ask: it asks about one build at a time/],
  ["recipe ol6-base --on-error stop", 2, /Allowed choices are ask, keep, clean, retry/],
  ["recipe ../etc/passwd", 2, /\.\.\/etc\/passwd: no such recipe/],
  ["recipe folder", 2, /folder: no such recipe/],
  ["recipe --jobs 0 ol6-base", 2, /not a number from 1 to 64/],
  ["recipe --jobs many ol6-base", 2, /not a number from 1 to 64/],
  ["recipe show nosuch", 2, /nosuch: no such recipe/],
  ["recipe import nosuch.ks", 2, /nosuch\.ks: no such file/],
  ["recipe import junk.img", 2, /junk\.img: is not a kickstart/],
  ["recipe import empty.img", 2, /is not a kickstart|has 10485760 bytes/],
  ["recipe import folder", 2, /folder: is not a file/],
  ["recipe import bad.yaml --name Big_Name", 2, /--name: "Big_Name" is not .*\nFor example/],
  ["recipe import", 2, /missing required argument 'kickstart'\n.*tbuild recipe import --help/],
  ["plan", 2, /missing required argument 'name'\n.*tbuild plan --help/],
  ["plan nosuch", 2, /nosuch: no such recipe/],
  ["plan ol8-base --rehearse", 2, /there is no rehearsal medium for ol8/],
  ["kickstart nosuch", 2, /nosuch: no such recipe/],
  ["inspect", 2, /missing required argument 'image'/],
  ["inspect nosuch.img", 2, /nosuch\.img: there is no such file/],
  ["inspect junk.img", 4, /disk {2}unknown/],
  ["inspect empty.img", 4, /disk {2}unknown/],
  ["inspect folder", 2, /folder: is a folder.*\n.*tbuild scan/],
  ["inspect dangling", 2, /dangling: there is no such file/],
  ["inspect /dev/null", 2, /is a character device/],
  ["inspect nohost.invalid:/x.img", 3, /nohost\.invalid: no ssh connection/],
  ["inspect empty.img --for nosuch", 2, /Allowed choices are ovm-3\.2/],
  ["inspect empty.img --via nosuch", 2, /no such way into an image\nAvailable: direct/],
  ["inspect empty.img --quiet", 2, /unknown option '--quiet'/],
  ["scan nosuch", 2, /nosuch: no such folder/],
  ["scan junk.img", 2, /junk\.img: is not a folder\n.*tbuild inspect/],
  ["scan folder", 2, /folder: contains no image/],
  ["scan folder --for xen", 2, /Allowed choices are/],
  ["seal", 2, /no image given\nFor example/],
  ["seal nosuch.img", 2, /nosuch\.img: there is no such file/],
  ["seal junk.img", 4, /contains no guest/],
  ["seal empty.img", 4, /contains no guest/],
  ["seal folder", 2, /is a folder, not an image file/],
  ["seal empty.img --skip nosuch", 2, /no operation "nosuch"\nAvailable: first-boot/],
  ["seal empty.img --as ol4", 2, /no release that tbuild knows\nAvailable: ol5/],
  ["seal --check junk.img", 4, /contains no guest/],
  ["repair nosuch.img", 2, /there is no such file/],
  ["repair junk.img", 4, /contains no guest/],
  ["undo nosuch.img", 2, /there is no such file/],
  ["undo junk.img", 2, /nothing to undo\nUndo records are stored beside/],
  ["twins nosuch.img nosuch2.img", 2, /there is no such file/],
  ["twins empty.img junk.img", 4, /contains no guest/],
  ["convert --check nosuch.img --for kvm", 2, /there is no such file/],
  ["convert --check empty.img --for nosuch", 2, /Allowed choices are/],
  ["convert --check empty.img --for kvm", 1, /unfit for KVM/],
  ["media", 2, /Usage: tbuild media/],
  ["media make", 2, /name a recipe, or a kickstart/],
  ["media make nosuch", 2, /nosuch: no such recipe/],
  ["media inspect nosuch.iso", 2, /nosuch\.iso: no such file/],
  ["media inspect junk.img", 5, /is not an ISO 9660 image/],
  ["media inspect folder", 2, /is neither a file nor a device/],
  ["template", 2, /Usage: tbuild template/],
  ["template show", 2, /missing required argument 'ref'/],
  ["template show nosuch", 2, /nosuch: no such template\n.*tbuild template list/],
  ["template show nosuch@1.2.3", 2, /nosuch@1\.2\.3: no such template/],
  ["template nosuch", 2, /unknown command 'nosuch'/],
  ["template diff a b", 2, /no such template/],
  ["template import nosuch.tgz", 2, /no such file/],
  ["template import junk.img", 4, /is neither a template nor a disk image/],
  ["template import folder", 2, /contains neither an \.ovf nor a vm\.cfg/],
  ["template export nosuch", 2, /no such template/],
  ["template push nosuch registry.invalid/x", 2, /no such template/],
  ["template pull x", 2, /is not a registry reference\nFor example/],
  ["template pull http://x", 2, /is not a registry reference/],
  ["template promote nosuch", 2, /missing required argument 'channel'/],
  ["template revoke nosuch", 2, /no such template/],
  ["template bundle nosuch --format nosuch", 2, /Allowed choices are ovm-tgz/],
  ["template prune --keep -1", 2, /must be a number, at least 1/],
  ["template prune --keep many", 2, /must be a number, at least 1/],
  ["template site", 2, /missing required argument/],
  ["template log nosuch", 2, /no such template/],
  ["whois nosuch.img", 2, /there is no such file/],
  ["whois junk.img", 4, /contains no guest/],
  ["clean --nosuch", 2, /unknown option '--nosuch'/],
  ["init /proc/x", 3, /\/proc\/x: there is no such folder/],
  ["init junk.img", 3, /a file or folder of that name exists/],
  ["module", 2, /Usage: tbuild module/],
  ["module check nosuch", 2, /nosuch: no such folder\n.*first-boot module/],
  ["module check junk.img", 2, /junk\.img: is not a folder/],
  ["module nosuch", 2, /unknown command 'nosuch'/],
  ["message", 2, /missing required argument/],
  ["message nosuch", 2, /no such template/],
  ["console nosuch", 2, /nosuch: no such machine\n.*tbuild console/],
  ["doctor nosuch", 2, /nosuch: no such recipe/],
  ["help nosuch", 2, /no such command or topic/],
  ["completion nosuch", 2, /Allowed choices are bash, zsh, fish/],
  ["--nosuch", 2, /unknown option '--nosuch'/],
];

describe("a wrong command line", () => {
  const ended = new Map<string, Promise<Ended>>();
  beforeAll(async () => {
    // Two at a time: starting a program is most of the work.
    const waiting = lines.map(([line]) => line);
    const next = async () => {
      for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) {
        const one = tbuild(line);
        ended.set(line, one);
        await one;
      }
    };
    await Promise.all([next(), next()]);
  }, 300_000);

  it.each(lines)("tbuild %s ends with %i and says why", async (line, code, words) => {
    const end = await ended.get(line);
    expect(end?.said).toMatch(words);
    expect(end?.said).not.toMatch(/^\s+at .*[/(].*:\d+:\d+/m);
    expect(end?.said).not.toContain("bug in tbuild");
    expect(end?.code).toBe(code);
  });
});
