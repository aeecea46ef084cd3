import { Buffer } from "node:buffer";
import { keyOfNode, messageWrites, nodeOfKey, xenstoreNodes } from "../../firstboot/xenstore-keys.ts";
import type { Host } from "../../host/host.ts";
import type { Messages } from "../hypervisor.ts";
import { openXenStore, type XenStore } from "./xenstore.ts";

/** Messages to and from a domain, by the scheme of `firstboot/xenstore-keys.ts`. */
export async function openMessages(host: Host, domain: number): Promise<Messages> {
  const store = await openXenStore(host);
  const home = `/local/domain/${domain}`;
  const out = `${home}/${xenstoreNodes.out}`;
  const received: { key: string; value: string }[] = [];
  const last = new Map<string, string>();

  async function take(name: string): Promise<void> {
    const key = keyOfNode(name);
    if (key === undefined) return;
    const value = await wholeValue(store, `${out}/${name}`);
    // A change may be reported twice.
    if (value === undefined || last.get(key) === value) return;
    last.set(key, value);
    received.push({ key, value });
  }
  async function changed(path: string): Promise<void> {
    const name = path.slice(out.length + 1).split("/")[0] ?? "";
    if (name !== "") return take(name);
    for (const one of await store.list(out)) await take(one);
  }
  // A failure here is a failure of the whole store, so the next request reports it.
  await store.watch(out, (path) => void changed(path).catch(() => {}));
  return {
    received: () => received,
    async send(key, value) {
      await store.remove(`${home}/${xenstoreNodes.in}/${nodeOfKey(key)}`);
      for (const { node, value: part } of messageWrites(key, value))
        await store.write(`${home}/${node}`, part);
    },
    async [Symbol.asyncDispose]() {
      store[Symbol.dispose]();
    },
  };
}

/** A value with its further parts; `undefined` while it is incomplete. The guest may write anything. */
async function wholeValue(store: XenStore, node: string): Promise<string | undefined> {
  const first = await store.read(node);
  if (first === undefined) return undefined;
  const further = (await store.list(node)).filter((name) => /^[1-9]\d{0,4}$/.test(name));
  if (first.length === 0 && further.length > 0) return undefined;
  const parts = [first];
  for (const name of further.sort((one, other) => Number(one) - Number(other)))
    parts.push((await store.read(`${node}/${name}`)) ?? Buffer.alloc(0));
  return Buffer.concat(parts).toString();
}
