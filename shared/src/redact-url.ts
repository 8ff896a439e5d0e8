/** URLs for logs and error messages: user names, passwords and query strings become `***`. Text that holds no URL is returned as it is. */
export function redactUrls(text: string): string {
  return text
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@"']+@/gi, '$1***@')
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s?#"']+)\?[^\s#"']+/gi, '$1?***');
}
