/** How to log in to the CLI, `ssh -p 10000 admin@manager` (Command Line Interface User's Guide 3.4, chapter 2). */
export interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Called when the server asks for the password. */
  readonly password?: () => Promise<string>;
  /** A private key in PEM or OpenSSH format. */
  readonly key?: string;
  /** `SHA256:…`; the only host key that is accepted. */
  readonly hostKey?: string | undefined;
  readonly oldAlgorithms: boolean;
}

export function nameOf({ host }: { readonly host: string }): string {
  return `Oracle VM Manager ${host}`;
}
