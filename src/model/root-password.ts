/** The first-boot message that sets root's password. It is sent last: when it arrives, the modules run. */
export const rootPasswordKey = "com.oracle.linux.root-password";

/** First-boot messages in the order in which they are sent. */
export function inSendingOrder<Message extends { readonly key: string }>(
  messages: readonly Message[],
): Message[] {
  const isRoot = ({ key }: Message) => key === rootPasswordKey;
  return [...messages.filter((one) => !isRoot(one)), ...messages.filter(isRoot)];
}
