import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kickstartFaults } from "../../src/build/check-kickstart.ts";
import { importedText, importKickstart, releaseOfKickstart } from "../../src/build/import-kickstart.ts";
import { rules } from "../../src/build/rules.ts";
import { noSecrets, renderKickstart } from "../../src/recipe/kickstart.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

const recipes = resolve(import.meta.dirname, "../../recipes");
const releases = ["ol5", "ol6", "ol7", "ol8", "ol9"] as const;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-import-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Imports, loads what came out with all its rules, and renders it: the release must take every line. */
async function around(text: string, release: (typeof releases)[number]) {
  const base = await loadRecipe(recipes, `${release}-base`, rules);
  const imported = await importKickstart(text, "mine", base.recipe);
  const file = join(folder, "mine.yaml");
  await writeFile(file, importedText(imported, "anaconda-ks.cfg"));
  const loaded = await loadRecipe(recipes, file, rules);
  const rendered = await renderKickstart(loaded.recipe, await kickstartTemplate(release), noSecrets);
  expect(kickstartFaults(rendered, loaded)).toEqual([]);
  return { recipe: loaded.recipe, left: imported.left };
}

describe("a kickstart", () => {
  it("becomes a recipe with all that a recipe has words for, and says what it has none for", async () => {
    const { recipe, left } = await around(
      `install
url --url=http://mirror/ol6
lang de_CH.UTF-8
keyboard sg-latin1
timezone --utc Europe/Zurich
rootpw --iscrypted $1$x$y
selinux --enforcing
firewall --enabled --service=ssh,http --port=1521:tcp
network --bootproto=static --device=eth0 --ip=10.0.0.2 --netmask=255.255.255.0
network --device=eth1 --bootproto=dhcp
bootloader --location=mbr --append="crashkernel=128M rhgb quiet"
part /boot --fstype ext3 --size 200
part pv.01 --size=1 --grow
volgroup VolGroup00 pv.01
logvol / --vgname=VolGroup00 --name=LogVol00 --fstype=ext4 --size=4096 --grow
logvol swap --vgname=VolGroup00 --name=LogVol01 --size=1024
group --name=dba --gid=502
user --name=oracle --uid=501 --groups=dba,wheel --password=hush
repo --name="Oracle addons" --baseurl=http://h/addons
services --enabled=ntpd --disabled=cups,kudzu
xconfig --startxonboot
reboot
%packages --nobase
@core
@Development Tools
ksh # the shell
-plymouth
%end
%post --log=/root/post.log
echo '%end of story' > /etc/motd
false
%end
%post --interpreter=/usr/bin/python
print(1)
%end
`,
      "ol6",
    );
    expect(recipe).toMatchObject({
      lang: "de_CH.UTF-8",
      keyboard: "sg-latin1",
      timezone: "Europe/Zurich",
      selinux: "enforcing",
      ports: ["1521:tcp", "80:tcp"],
      nics: ["public", "interconnect"],
      kernelArguments: ["crashkernel=128M"],
      volumeGroup: "volgroup00",
      layout: [
        { mount: "/boot", fs: "ext3", size: 200 },
        { mount: "/", fs: "ext4", size: 4096, grow: true, volume: "logvol00" },
        { mount: "swap", fs: "swap", size: 1024, volume: "logvol01" },
      ],
      packages: { base: ["@Development Tools", "ksh"], exclude: ["plymouth"] },
      services: { enable: ["ovmd", "ntpd"], disable: ["cups", "kudzu"] },
    });
    expect(recipe.users).toMatchObject([
      { name: "oracle", uid: 501, groups: ["dba", "wheel"], password: { env: "ORACLE_PASSWORD" } },
    ]);
    expect(recipe.repositories.at(-1)).toMatchObject({ id: "Oracle_addons", url: "http://h/addons" });
    expect(recipe.scripts).toEqual([
      { name: "post-1", run: "set +eu +o pipefail\necho '%end of story' > /etc/motd\nfalse\n" },
    ]);
    expect(JSON.stringify([recipe, left])).not.toMatch(/hush|\$1\$x/);
    expect(left.map(({ line }) => line)).toEqual([2, 6, 9, 18, 21, 33]);
  });

  it("of whatever lines gives a recipe that loads, and whose kickstart its release takes", async () => {
    const [, ...rows] = readFileSync(resolve(import.meta.dirname, "../recipe/kickstart-lines.tsv"), "utf8")
      .trimEnd()
      .split("\n");
    const lines = rows.map((row) => (row.split("\t")[0] ?? "").split(" ⏎ ").join("\n"));
    const odd = fc.constantFrom(
      "part / --size=9999999999",
      "part",
      "user --name=Root",
      'lang "a',
      "repo --name=../x --baseurl=javascript:x",
      "timezone",
      "network --device=eth9",
      "services --enabled=a b,$(id)",
      "%packages\n%include x\n-\n@\n%end",
      "firewall --port=99999:tcp",
    );
    const text = fc
      .array(fc.oneof(fc.constantFrom(...lines), odd), { maxLength: 25 })
      .map((some) => some.join("\n"));
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom(...releases), async (one, release) => {
        await around(one, release);
      }),
      { numRuns: 100 },
    );
  }, 60_000);

  it.each([
    ["key --skip\n%packages\n@core\n", "ol5"],
    ["install\n%packages\n%end\n", "ol6"],
    ["eula --agreed\n%end\n", "ol7"],
    ["install\npart / --fstype xfs --size=1\n%packages\n%end\n", "ol7"],
    ["authselect select minimal\n%end\n", "ol8"],
    ["timesource --ntp-disable\n%end\n", "ol9"],
  ])("%j looks like %s", (text, release) => {
    expect(releaseOfKickstart(text)).toBe(release);
  });
});
