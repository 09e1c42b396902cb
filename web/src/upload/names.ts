/** The server's rules for names, so that nobody uploads for an hour what is refused in the end. */

const LONGEST_COMPONENT = 255;
const LONGEST_PATH = 4096;

/** Why the server would not take a file of this name; undefined if it would. */
export function refusal(name: string): string | undefined {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  if (bytes(name) > LONGEST_PATH) {
    return "Its path is too long";
  }
  for (const part of name.split("/")) {
    if (part === "" || part === "." || part === "..") {
      return "Its path has an empty part, '.' or '..'";
    }
    if (/\p{Cc}/u.test(part)) {
      return "Its name has a control character";
    }
    if (part.startsWith(".twinfs-")) {
      return "Names that begin with '.twinfs-' are the server's own";
    }
    if (bytes(part) > LONGEST_COMPONENT) {
      return "Its name is too long";
    }
  }
  return undefined;
}
