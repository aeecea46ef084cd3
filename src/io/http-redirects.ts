import { type Answer, HttpError, type Question } from "./http-exchange.ts";

const mostHops = 10;

/** One request, and the requests that it is redirected to. */
export async function followed(
  question: Question,
  admit: ((url: URL) => Readonly<Record<string, string>>) | undefined,
  send: (one: Question) => Promise<Answer>,
): Promise<Answer> {
  let { url, method, body } = question;
  const seen = new Set<string>();
  for (;;) {
    const { authorization, ...headers } = question.headers ?? {};
    const own = url.origin === question.url.origin && authorization !== undefined ? { authorization } : {};
    const admitted = admit?.(url) ?? {};
    const answer = await send({
      url,
      method,
      headers: { ...headers, ...own, ...admitted },
      ...(body && { body }),
    });
    const location = answer.header("location");
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
    answer.drop();
    if (!URL.canParse(location, url.href))
      throw new HttpError(url.host, "redirects to an invalid address", { isFinal: true, isAnswered: true });
    seen.add(`${method} ${url.href}`);
    const { host } = url;
    url = new URL(location, url);
    if (!/^https?:$/.test(url.protocol))
      throw new HttpError(host, `redirects to a ${url.protocol} address`, {
        isFinal: true,
        isAnswered: true,
      });
    if (question.isSecret && url.origin !== question.url.origin)
      throw new HttpError(question.url.host, `redirects a login to ${url.host}; nothing was sent there`, {
        isFinal: true,
        isAnswered: true,
      });
    if (answer.status === 303 && method !== "HEAD") [method, body] = ["GET", undefined];
    if (seen.has(`${method} ${url.href}`))
      throw new HttpError(question.url.host, "redirects in a loop", { isFinal: true, isAnswered: true });
    if (seen.size > mostHops)
      throw new HttpError(question.url.host, `redirects more than ${mostHops} times`, {
        isFinal: true,
        isAnswered: true,
      });
  }
}
