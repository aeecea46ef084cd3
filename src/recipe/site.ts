import { z } from "zod";
import { waysIn } from "../choices.ts";
import { hypervisors } from "../hypervisor/table.ts";
import { ManagerOptions } from "../manager/options.ts";

// Each kind has its own options. The first one is the default.
const [first, ...others] = await Promise.all(
  Object.entries(hypervisors).map(async ([name, load], index) => {
    const { summary, options } = await load();
    const kind = index === 0 ? z.literal(name).optional().default(name) : z.literal(name);
    return z.strictObject({ kind: kind.describe(summary), ...options.shape });
  }),
);
if (first === undefined) throw new Error("the table of hypervisors is empty");
const Hypervisor = z
  .discriminatedUnion("kind", [first, ...others])
  .prefault({ kind: Object.keys(hypervisors)[0] });

const CachePlace = z
  .string()
  .regex(/^[\w.-]+(:\d+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+$/, "a place such as registry.example/cache");

const Cache = z.strictObject({
  from: z
    .array(CachePlace)
    .default([])
    .describe("Places in registries from which builds take finished results, in this order."),
  to: CachePlace.optional().describe(
    "The place to which builds push their results. It needs `signingKey`: builds ignore unsigned results.",
  ),
  plainHttp: z.boolean().default(false).describe("Use these registries without TLS."),
});

/** Local settings: everything that differs between two people who build the same recipe. */
export const Site = z
  .strictObject({
    store: z.string().optional().describe("The folder for masters and templates."),
    isoFolder: z.string().optional().describe("The folder with Oracle's ISOs."),
    signingKey: z
      .string()
      .optional()
      .describe("An ssh key that signs manifests. If ssh-agent has the private half, name the public one."),
    hypervisor: Hypervisor,
    manager: ManagerOptions.optional().describe("Oracle VM Manager, for `tbuild manager` and deployments."),
    images: z
      .strictObject({
        kind: z
          .enum(["auto", ...waysIn])
          .default("auto")
          .describe(
            "How tbuild reads the files of an image. `auto` uses the fastest method that can read it.",
          ),
      })
      .prefault({}),
    mirrors: z
      .record(z.string(), z.string())
      .default({})
      .describe(
        "Repository ID → a URL or a local folder to use instead, during builds. It does not become part of the template.",
      ),
    proxy: z
      .string()
      .regex(/^https?:\/\/[\w.-]+(:\d+)?\/?$/, "a proxy such as http://proxy:3128")
      .optional()
      .describe("A proxy for the repositories, during builds. It does not become part of the template."),
    cache: Cache.optional().describe("Registries through which several builders share finished builds."),
    set: z
      .record(z.string().regex(/^[A-Za-z][\w.-]*\+?$/, "a key of a recipe"), z.unknown())
      .default({})
      .describe("Overrides every recipe: `machine.memory: 4G`, `packages.install+: [strace]`."),
  })
  .superRefine(({ cache, signingKey }, { addIssue }) => {
    if (cache?.to === undefined || signingKey !== undefined) return;
    const message = "it needs `signingKey`, because builds ignore unsigned results";
    addIssue({ code: "custom", path: ["cache", "to"], message });
  });
export type Site = z.infer<typeof Site>;
