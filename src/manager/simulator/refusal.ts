/** What the Manager refuses. Its texts carry codes such as `OVMAPI_4010E`; which code means what is not public, but for a few. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: string;

  constructor(text: string) {
    super(text);
    this.code = /^(OVM\w+_\d+[A-Z]) /.exec(text)?.[1] ?? "OVMAPI_9999E";
  }
}
