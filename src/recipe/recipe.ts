import { z } from "zod";

/** Megabytes are written as `500M`, gigabytes as `12G`; kept as MiB. */
export const SizeMib = z
  .string()
  .regex(/^[1-9]\d*[MG]$/, "a size such as 500M or 12G")
  .transform((text) => Number(text.slice(0, -1)) * (text.endsWith("G") ? 1024 : 1));

// What ends up on a kickstart line or in a configuration file never holds what could end that line or word.
const Word = z.string().regex(/^[\w.+:@/-]+$/, "a word of letters, digits and . _ + - : @ /");
const PackageName = z.string().regex(/^[\w][\w.+*-]*$/, "a package name");
const GroupOrPackage = z.string().regex(/^(@\^?)?[\w][\w.+* -]*$/, "a package name, or @group");
const AccountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "a user or group name");
const GuestPath = z
  .string()
  .regex(/^\/[\w.+@/-]+$/, "an absolute path in the guest")
  .refine((path) => !path.split("/").includes(".."), "a path without ..");
const Mode = z.string().regex(/^0?[0-7]{3,4}$/, 'a mode such as "0775", in quotes');
const Line = z.string().regex(/^[^\r\n]*$/, "one line");
const Url = z.string().regex(/^(https?|file):\/\/[^\s"'\\]+$/, "an http, https or file URL");

export const Release = z.enum(["ol5", "ol6", "ol7", "ol8", "ol9"]);
export const DomainType = z.enum(["XEN_HVM", "XEN_HVM_PV_DRIVERS", "XEN_PVM"]);
export const BundleFormat = z.enum(["ovm-tgz", "ova", "qcow2", "raw"]);

const Iso = z.strictObject({
  /** As Oracle names it. */
  file: z.string().regex(/^[\w.-]+\.iso$/, "the name of an .iso file"),
  volumeId: z.string().min(1).max(32),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits"),
});

const Partition = z.strictObject({
  mount: z.union([z.literal("swap"), z.string().regex(/^\/[\w./-]*$/, "a mount point, or swap")]),
  fs: z.enum(["ext3", "ext4", "xfs", "swap"]),
  size: SizeMib,
  grow: z.boolean().default(false),
});

const Repository = z.strictObject({
  id: z.string().regex(/^[\w.-]+$/, "a repository id"),
  name: Line,
  url: Url,
  gpgKey: Url.optional(),
  enabled: z.boolean().default(false),
});

const File = z
  .strictObject({
    path: GuestPath,
    content: z.string().optional(),
    /** A file beside the recipe. */
    from: z.string().optional(),
    owner: AccountName.default("root"),
    group: AccountName.default("root"),
    mode: Mode.default("0644"),
  })
  .refine((file) => (file.content === undefined) !== (file.from === undefined), "either content or from");

const Script = z
  .strictObject({
    name: z.string().regex(/^[\w-]+$/, "a name of letters, digits, - and _"),
    run: z.string().optional(),
    /** A file beside the recipe. */
    from: z.string().optional(),
  })
  .refine((script) => (script.run === undefined) !== (script.from === undefined), "either run or from");

/** What we want: a golden template, from the disc to the bundle. Knows nothing of where it is made. */
export const Recipe = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, "lower-case letters, digits and -"),
  version: z.string().regex(/^\d+\.\d+\.\d+$/, "three numbers, such as 1.0.0"),
  summary: Line,
  release: Release,
  update: z.int().min(0).max(20),
  iso: Iso,
  /** A template in `kickstart/`, without `.ks.hbs`. */
  kickstart: z.string().regex(/^[\w-]+$/),
  machine: z
    .strictObject({
      vcpus: z.int().min(1).max(128).default(1),
      memory: SizeMib.prefault("1G"),
      disk: SizeMib.prefault("12G"),
    })
    .prefault({}),
  layout: z.array(Partition).min(1),
  /** One per vnic of the template, in order: eth0, eth1 … */
  nics: z
    .array(z.enum(["public", "interconnect", "storage"]))
    .min(1)
    .max(8)
    .default(["public"]),
  lang: Word.default("en_US.UTF-8"),
  keyboard: Word.default("us"),
  timezone: Word.default("UTC"),
  selinux: z.enum(["enforcing", "permissive", "disabled"]).default("permissive"),
  firewall: z.boolean().default(true),
  repositories: z.array(Repository).default([]),
  additions: z.strictObject({ repository: z.string(), packages: z.array(PackageName).min(1) }),
  packages: z
    .strictObject({
      /** By the installer, from the medium. */
      base: z.array(GroupOrPackage).default([]),
      /** By yum, in the running guest. */
      install: z.array(GroupOrPackage).default([]),
      remove: z.array(PackageName).default([]),
    })
    .prefault({}),
  groups: z.array(z.strictObject({ name: AccountName, gid: z.int().min(1).max(65533) })).default([]),
  users: z
    .array(
      z.strictObject({
        name: AccountName,
        uid: z.int().min(1).max(65533),
        group: AccountName,
        groups: z.array(AccountName).default([]),
        home: GuestPath.optional(),
      }),
    )
    .default([]),
  folders: z
    .array(
      z.strictObject({
        path: GuestPath,
        owner: AccountName.default("root"),
        group: AccountName.default("root"),
        mode: Mode.default("0755"),
      }),
    )
    .default([]),
  files: z.array(File).default([]),
  scripts: z.array(Script).default([]),
  services: z
    .strictObject({ enable: z.array(Word).default([]), disable: z.array(Word).default([]) })
    .prefault({}),
  /** First-boot modules: folders in `recipes/modules/`. */
  modules: z.array(z.string().regex(/^[\w-]+$/)).default([]),
  domainType: DomainType,
  seal: z
    .strictObject({
      how: z.enum(["offline", "online"]).default("offline"),
      skip: z.array(z.string()).default([]),
      /** Paths in the guest that no operation removes. */
      keep: z.array(GuestPath).default([]),
    })
    .prefault({}),
  bundles: z.array(BundleFormat).min(1).default(["ovm-tgz", "ova", "qcow2"]),
  trial: z
    .strictObject({
      clones: z.int().min(0).max(4).default(2),
      /** Sent beside hostname, network and root password; the first-boot parameters of the modules. */
      messages: z.record(z.string(), z.string()).default({}),
      /** Commands that must succeed in every configured clone. */
      checks: z.array(z.array(z.string()).min(1)).default([]),
    })
    .prefault({}),
});
export type Recipe = z.infer<typeof Recipe>;

/** `6` of `ol6`. */
export function majorOf(release: Recipe["release"]): number {
  return Number(release.slice(2));
}
