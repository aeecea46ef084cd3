import { type BundleFormat, bundleFormats, type MigrationFormat, migrationFormats } from "../../choices.ts";
import type { Format } from "./format.ts";
import { libvirt } from "./libvirt.ts";
import { olvmOva } from "./olvm-ova.ts";
import { ova } from "./ova.ts";
import { proxmox } from "./proxmox.ts";
import { qcow2 } from "./qcow2.ts";
import { raw } from "./raw.ts";
import { bundleOf, type Shipping } from "./shipping-format.ts";
import { ovmTgz, xl } from "./tgz.ts";
import { xva } from "./xva.ts";

/** The formats for other hypervisors. They pack templates and any other machine. */
export const shippings: Readonly<Record<MigrationFormat, Shipping>> = {
  libvirt,
  "olvm-ova": olvmOva,
  xva,
  proxmox,
};

/** The formats for templates only. */
const templateFormats: Readonly<Record<Exclude<BundleFormat, MigrationFormat>, Format>> = {
  "ovm-tgz": ovmTgz,
  ova,
  qcow2,
  raw,
  xl,
};

/** All of them, in the order in which a recipe may name them. */
export const formats: readonly Format[] = bundleFormats.map((name) =>
  isShipping(name) ? bundleOf(shippings[name]) : templateFormats[name],
);

function isShipping(name: BundleFormat): name is MigrationFormat {
  return (migrationFormats as readonly string[]).includes(name);
}
