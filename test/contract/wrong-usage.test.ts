import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { extDisk, ol6Guest } from "../guest-image.ts";

const main = join(import.meta.dirname, "../../dist/bin/main.js");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-wrong-"));
  await writeFile(join(folder, "junk.img"), "garbage");
  await truncate(join(folder, "junk.img"), 7);
  await writeFile(join(folder, "empty.img"), "");
  await truncate(join(folder, "empty.img"), 10 << 20);
  await writeFile(join(folder, "bad.yaml"), "name: [\n");
  await extDisk(join(folder, "ok.img"), ol6Guest);
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
      { cwd: folder, timeout: 300_000 },
      (error, stdout, stderr) =>
        resolve({
          code: error === null ? 0 : typeof error.code === "number" ? error.code : -1,
          said: `${stdout}${stderr}`,
        }),
    );
    child.stdin?.end();
  });
}

/** Wrong command lines, with their exit code and the words that tell users what to do. */
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
  ["recipe --matrix", 2, /--matrix requires --changed-since\nFor example/],
  ["recipe ol6-base --changed-since HEAD", 2, /finds the recipes itself\nOmit the names/],
  ["recipe --changed-since HEAD", 2, /is not in a git repository\n/],
  ["recipe ol6-base --set =1", 2, /not key=value\nFor example/],
  ["recipe ol6-base --set machine.memory", 2, /not key=value\nFor example/],
  ["recipe ol6-base --var-file nosuch.yaml", 2, /nosuch\.yaml: cannot be read/],
  ["recipe ol6-base --debug", 2, /--debug: it asks on a terminal, but standard input is not a terminal/],
  [
    "recipe ol6-base --on-error ask --json",
    2,
    /--on-error ask: it asks questions, and --json is for programs/,
  ],
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
  ["seal --skip nosuch,logs empty.img", 2, /no operation "nosuch"\nAvailable: first-boot/],
  ["seal empty.img --as ol4", 2, /not a release that tbuild knows\nAvailable: ol5/],
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
  ["clean nosuch", 2, /nosuch: no such build\nBuilds have folders in/],
  ["clean --nosuch", 2, /unknown option '--nosuch'/],
  ["init /proc/x", 3, /\/proc\/x: there is no such folder/],
  ["init junk.img", 3, /a file or folder of that name exists/],
  ["module", 2, /Usage: tbuild module/],
  ["module check nosuch", 2, /nosuch: no such folder\n.*first-boot module/],
  ["module check junk.img", 2, /junk\.img: is not a folder/],
  ["module nosuch", 2, /unknown command 'nosuch'/],
  ["message", 2, /missing required argument/],
  ["message nosuch", 2, /no such template/],
  ["message ok.img --list --form", 2, /--form and --list exclude each other/],
  ["message ok.img --schema --values values.yaml", 2, /--values and --schema exclude each other/],
  ["message ok.img -o seed.iso", 2, /--output is for messages, and they need --values FILE/],
  ["console nosuch", 2, /nosuch: no such machine\n.*tbuild console/],
  ["doctor nosuch", 2, /nosuch: no such recipe/],
  ["help nosuch", 2, /no such command or topic/],
  ["completion nosuch", 2, /Allowed choices are bash, zsh, fish/],
  ["--nosuch", 2, /unknown option '--nosuch'/],
  ["cat", 2, /missing required argument 'image:path'\n.*tbuild cat --help/],
  ["cat ok.img", 2, /names no path in the guest.*\nWrite IMAGE:\/PATH/],
  ["cat ok.img:/nosuch", 4, /\/nosuch: no such file or folder in the guest/],
  ["cat ok.img:/etc", 4, /\/etc: is a folder, not a file/],
  ["cat nosuch.img:/etc/fstab", 2, /there is no image nosuch\.img/],
  ["cat junk.img:/etc/fstab", 4, /contains no guest/],
  ["cat ok.img:/etc/fstab --volume p9", 2, /has no volume p9\nAvailable: p1/],
  ["cat ok.img:/etc/fstab --via nosuch", 2, /no such way into an image\nAvailable: direct/],
  ["cat folder:/etc/fstab", 2, /there is no image folder/],
  ["ls", 2, /missing required argument 'image:path'/],
  ["ls nosuch.img", 2, /nosuch\.img: there is no such image\nName an image/],
  ["ls junk.img", 4, /contains no guest/],
  ["ls ok.img:/nosuch", 4, /no such file or folder in the guest/],
  ["ls ok.img:/etc/fstab/x", 4, /no such file or folder in the guest/],
  ["ls ok.img ok.img", 2, /too many arguments for 'ls'/],
  ["cp", 2, /missing required argument 'source'/],
  ["cp ok.img:/etc/fstab", 2, /a source and a target are needed\nFor example/],
  ["cp ok.img:/nosuch .", 4, /no such file or folder in the guest/],
  ["cp ok.img:/etc/fstab nosuch/deep/file", 3, /nosuch\/deep\/file: there is no such folder/],
  ["cp nosuch ok.img:/etc/x", 2, /nosuch: there is no such file/],
  ["cp a b", 2, /names no path in the guest.*\nWrite IMAGE:\/PATH/],
  ["cp ok.img:/etc/fstab ok.img:/etc/x", 2, /not copied from one image to another\n.*tar-out/],
  ["cp bad.yaml ok.img:/etc/x --owner nosuch:root", 2, /the guest has no user "nosuch"\nWrite USER:GROUP/],
  ["cp bad.yaml ok.img:/etc/x --mode 99999", 2, /not an octal mode\nFor example/],
  ["cp bad.yaml junk.img:/etc/x", 4, /contains no guest/],
  ["cp folder ok.img:/etc/fstab --plan", 4, /\/etc\/fstab: is a file, not a folder/],
  ["edit", 2, /missing required argument 'image:path'/],
  ["edit ok.img", 2, /names no path in the guest/],
  ["edit ok.img:/nosuch", 4, /no such file in the guest\n.*tbuild cp/],
  ["edit ok.img:/etc", 4, /is a folder, not a file/],
  ["edit ok.img:/etc/fstab", 2, /there is no terminal for an editor\nSet EDITOR/],
  ["tar-out", 2, /missing required argument 'image:path'/],
  ["tar-out ok.img:/nosuch", 4, /no such folder in the guest/],
  ["tar-out ok.img:/etc/fstab", 4, /is not a folder\nCopy a file with `tbuild cp`/],
  ["tar-out junk.img:/", 4, /contains no guest/],
  ["tar-out ok.img:/etc nosuch/deep.tar", 3, /there is no such folder/],
  ["tar-in", 2, /missing required argument 'archive'/],
  ["tar-in nosuch.tar ok.img:/", 2, /nosuch\.tar: there is no such file/],
  ["tar-in bad.yaml ok.img:/ --plan", 5, /is not a tar archive/],
  ["tar-in folder ok.img:/", 3, /folder: is a folder/],
  ["resize ok.img", 2, /required option '--size <size>' not specified/],
  ["resize ok.img --size lots", 2, /not a size such as 500M or 200G/],
  ["resize ok.img --size -5G", 2, /not a size such as 500M or 200G/],
  ["resize ok.img --size 1M --plan", 2, /cannot make it smaller\nTo make a disk smaller/],
  ["resize ok.img --size 999999T --plan", 2, /more than 1024T/],
  ["resize junk.img --size 20G --plan", 2, /no file system that tbuild knows/],
  ["resize nosuch.img --size 20G", 2, /there is no such file/],
  ["discard", 2, /missing required argument 'image'/],
  ["discard nosuch.img", 2, /there is no such file/],
  ["discard junk.img", 6, /not changed: has a file system that tbuild cannot read/],
  ["discard folder", 2, /is a folder, not an image file\n.*tbuild scan/],
  ["migrate", 2, /required option '--to <format>' not specified/],
  ["migrate nosuch.cfg --to libvirt --plan", 2, /there is no such file/],
  ["migrate junk.img --to libvirt --plan", 4, /neither a template nor a disk image\nSupported/],
  ["migrate folder --to libvirt --plan", 2, /neither an \.ovf nor a vm\.cfg/],
  ["migrate bad.yaml --to nosuch --plan", 2, /Allowed choices are libvirt/],
  ["clone", 2, /required option '--name <machine>' not specified/],
  ["clone nosuch --name vm1 --plan", 2, /no such template\n.*tbuild template list/],
  ["clone nosuch --name bad_name! --plan", 2, /is not a name of lower-case letters/],
  ["deploy", 2, /missing required argument 'file'/],
  ["deploy nosuch.yaml", 2, /no such deployment file/],
  ["deploy bad.yaml", 2, /not a YAML file\n {2}bad\.yaml:2:1/],
  ["manager nosuch", 2, /too many arguments for 'manager'/],
  ["manager trust", 2, /has no manager\nAdd manager:/],
  ["manager import nosuch.tgz", 2, /has no manager\nAdd manager:/],
  ["validate nosuch", 2, /nosuch: no such recipe; available: ol5-base/],
  ["plan ol6-base --set from=nosuch.tgz", 2, /ol6-base: from: .*\/nosuch\.tgz: there is no such file/],
  ["plan ol6-base --set from=OVM", 2, /"OVM" is not a template in the store .*or a file/],
  ["plan ol6-base --set from=registry.example/x", 2, /a template in a registry \(registry\.example/],
  ["plan ol6-base --set from=nosuch@stable", 2, /no such template\nBuild it first/],
  ["plan ol6-base --set from=registry.invalid/x:1.0.0", 3, /registry\.invalid: cannot be reached/],
  ["recipe ol6-base --until nosuch", 2, /there is no step "nosuch"\nIts steps: fetch-medium/],
  ["recipe ol6-base --until", 2, /option '--until <step>' argument missing/],
  ["df nosuch", 2, /too many arguments for 'df'/],
  ["setup --nosuch", 2, /unknown option '--nosuch'/],
  ["template import ok.img --as Bad", 2, /not a name, or name@1\.2\.3\nNames consist/],
  ["template import ok.img --max-size lots", 2, /not a size such as/],
  ["template import ok.img --domain-type XEN", 2, /Allowed choices are XEN_HVM/],
  ["template tag nosuch", 2, /missing required argument 'tag'/],
  ["template rollback nosuch stable", 2, /has no channel stable/],
  ["template promote nosuch@1.0.0 nosuch", 2, /Allowed choices are candidate, stable/],
  ["template sbom nosuch", 2, /no such template/],
  ["template pull registry.invalid/x:1.0.0", 3, /cannot be reached[\s\S]*--plain-http/],
  ["rehearse nosuch", 2, /unknown command 'nosuch'/],
  ["rehearse medium --release ol9", 2, /Allowed choices are ol6, ol7/],
  ["undo ok.img", 2, /nothing to undo\nUndo records/],
  ["seal ok.img", 2, /no terminal to ask for confirmation\nPass --yes/],
  ["convert ok.img", 2, /neither --to nor --check is given\nConvert: /],
  ["twins ok.img", 4, /first boot is not armed[\s\S]*Seal it first/],
  ["module new", 2, /missing required argument 'name'/],
  ["module new Bad_Name!", 2, /needs a description\nFor example/],
  ["module rpm nosuch", 2, /no such folder/],
  ["media make ol6-base --as nosuch", 2, /Allowed choices are remaster/],
];

describe("a wrong command line", () => {
  const ended = new Map<string, Promise<Ended>>();
  beforeAll(async () => {
    // Two at a time: starting a program is most of the work. Those that may lock the one good image are in one row.
    const row = async (wanted: (line: string) => boolean) => {
      for (const [line] of lines.filter(([one]) => wanted(one))) {
        const one = tbuild(line);
        ended.set(line, one);
        await one;
      }
    };
    await Promise.all([row((line) => line.includes("ok.img")), row((line) => !line.includes("ok.img"))]);
  });

  it.each(lines)("tbuild %s ends with %i and says why", async (line, code, words) => {
    const end = await ended.get(line);
    expect(end?.said).toMatch(words);
    expect(end?.said).not.toMatch(/^\s+at .*[/(].*:\d+:\d+/m);
    expect(end?.said).not.toContain("bug in tbuild");
    expect(end?.code).toBe(code);
  });
});
