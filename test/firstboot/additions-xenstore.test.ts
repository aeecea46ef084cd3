import { expect, it } from "vitest";
import { messageWrites } from "../../src/firstboot/xenstore-keys.ts";
import { describeWith } from "../fakes/missing.ts";
import { inGuest, pythons, rootNeeds } from "./additions-root.ts";

const long = `${"ü".repeat(4000)}end`;
const writes = [
  ...messageWrites("com.oracle.linux.network.hostname", "clone.example"),
  ...messageWrites("a_b.c@d", ""),
  ...messageWrites("long", long),
].map(({ node, value }) => [node, value.toString("base64")]);

// Plays the host's part: writes messages as the host's side does, and reads what the guest reports.
const host = `
import base64, json, subprocess, sys, time
sys.path.insert(0, '/usr/lib/fakes')
from xenstored import Xenstored
store = Xenstored('/run/xenstored/socket').start()
store.write('/local/domain/7/data', b'')
def ovmd(*words):
    done = subprocess.run(('/usr/sbin/ovmd',) + words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
def until(what):
    for _ in range(100):
        if what(): return
        time.sleep(0.1)
    raise SystemExit('waited in vain')
store.write('data/tbuild/in/early', b'before the daemon')
store.write('data/tbuild/in/not_complete/1', b'the second part')
ovmd('-t', '60')
until(lambda: 'version' in store.tree('data/tbuild'))
for node, value in json.loads(sys.argv[1]):
    store.write(node, base64.b64decode(value))
for number in range(150):
    store.write('data/tbuild/in/com_example_many_%s_%d' % ('x' * 60, number), b'')
until(lambda: list(store.tree('data/tbuild/in')) == ['not_complete', 'not_complete/1'])
ovmd('-p', 'answer=42', '-e', 'done')
until(lambda: 'answer' in store.tree('data/tbuild/out'))
params = {}
for line in ovmd('-l').splitlines(): params.update(json.loads(line))
many = [key for key in params if key.startswith('com.example.many.')]
for key in many: del params[key]
print(json.dumps({'params': params, 'many': len(many), 'tree': store.tree('data/tbuild')}))
`;

describeWith(rootNeeds, "ovmd over xenstore", () => {
  for (const { name, path } of pythons)
    it(`takes messages, long and early ones too, and reports, under ${name}`, () => {
      const { code, out, err } = inGuest(path, `exec /usr/bin/python3 /host.py '${JSON.stringify(writes)}'`, {
        "host.py": host,
      });
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(JSON.parse(out)).toEqual({
        many: 150,
        params: {
          early: "before the daemon",
          "com.oracle.linux.network.hostname": "clone.example",
          "a_b.c@d": "",
          long,
          answer: "42",
        },
        tree: {
          in: "",
          "in/not_complete": "",
          "in/not_complete/1": "the second part",
          out: "",
          "out/answer": "42",
          "out/org_tbuild_rehearsal_initial-config": "done",
          version: "1.0.0",
        },
      });
    });
});
