import { expect, it } from "vitest";
import { scriptFaults } from "../../src/build/kickstart-scripts.ts";
import { localHost } from "../../src/host/local.ts";

const faultsIn = (text: string, major = 7) => scriptFaults(localHost(), text, major);

it("a script of a kickstart that bash refuses is a warning with its line", async () => {
  const text = [
    ...["lang en_US.UTF-8", "%pre", "case x in x) echo ;; esac", "%end"],
    ...["%post --nochroot", "if true; then", "  echo one )", "fi", "%end"],
    ...["%post --interpreter=/bin/bash --log=/root/post", "if true; then", "  echo two", "%end", ""],
  ].join("\n");
  expect(await faultsIn(text)).toEqual([
    {
      line: 7,
      severity: "warning",
      text: expect.stringMatching(/^%post: bash refuses it: syntax error near/),
    },
    {
      line: 12,
      severity: "warning",
      text: expect.stringMatching(/^%post: bash refuses it: .*(?:unexpected end of file|unexpected EOF)/),
    },
  ]);
});

it("what bash takes is none, with any interpreter that is not a shell, or a part in another file", async () => {
  const sections = [
    ["%post", "shopt -s extglob", "rm -f /tmp/!(a|b)", "cat <<< x > >(cat)"],
    ["%post --interpreter=/usr/bin/python", "def f(x):", "    return [x"],
    ["%pre --interp /usr/bin/perl", "print (1;"],
    ["%post --interpreter='/usr/bin/python3' --log /x", "if x:"],
    ["%pre", "if true; then", "%include /tmp/rest"],
    ["%packages", "a )"],
  ];
  const text = sections.map((lines) => [...lines, "%end", ""].join("\n")).join("");
  expect(await faultsIn(text)).toEqual([]);
});

it("on OL5, which has no %end, a script ends with the next section", async () => {
  expect(await faultsIn("%pre\necho one\n%post\necho )\n", 5)).toMatchObject([{ line: 4 }]);
});
