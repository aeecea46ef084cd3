/**
 * A refusal of the Manager. Its texts contain codes such as `OVMAPI_4010E`. The meaning of most codes is not
 * public.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: string;

  constructor(text: string) {
    super(text);
    this.code = /^(OVM\w+_\d+[A-Z]) /.exec(text)?.[1] ?? "OVMAPI_9999E";
  }
}
