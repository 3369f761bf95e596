"""C++ text without a compiler: comments and literals blanked, functions and statements found."""

import re


def strip(text, keep_strings=False):
    """Blanks comments (and the contents of literals), keeping every line and column in place."""
    out = []
    i = 0
    while i < len(text):
        two = text[i:i + 2]
        if two == "//":
            end = text.find("\n", i)
            end = len(text) if end < 0 else end
            out.append(" " * (end - i))
        elif two == "/*":
            end = text.find("*/", i + 2)
            end = len(text) if end < 0 else end + 2
            out.append(re.sub(r"[^\n]", " ", text[i:end]))
        elif text[i] == '"' and re.search(r"(^|[^\w])(u8|u|U|L)?R$", text[max(0, i - 4):i]):
            head = re.match(r'"([^(\s]*)\(', text[i:])
            close = ")" + (head.group(1) if head else "") + '"'
            end = text.find(close, i)
            end = len(text) if end < 0 else end + len(close)
            body = text[i + 1:end - 1]
            out.append('"' + (body if keep_strings else re.sub(r"[^\n]", " ", body)) + '"')
        elif text[i] == '"' or (text[i] == "'" and not _digit_separator(text, i)):
            end = i + 1
            while end < len(text) and text[end] != text[i] and text[end] != "\n":
                end += 2 if text[end] == "\\" else 1
            end = min(end + 1, len(text))
            body = text[i + 1:end - 1]
            out.append(text[i] + (body if keep_strings else " " * len(body)) + text[i])
        else:
            out.append(text[i])
            end = i + 1
        i = end
    return "".join(out)


def _digit_separator(text, i):
    return i > 0 and text[i - 1].isalnum() and i + 1 < len(text) and text[i + 1].isalnum() \
        and re.search(r"\b(0[xXbB])?[0-9a-fA-F][0-9a-fA-F']*$", text[max(0, i - 24):i]) is not None


def line_of(text, index):
    return text.count("\n", 0, index) + 1


def matching(text, index):
    """Index of the bracket that closes the one at `index`; len(text) if none does."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    opener, closer = text[index], pairs[text[index]]
    depth = 0
    for i in range(index, len(text)):
        if text[i] == opener:
            depth += 1
        elif text[i] == closer:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def raw_string_lines(text):
    """Numbers of the lines that a raw string literal touches: wire text stands as it is sent."""
    lines = set()
    for match in re.finditer(r'R"([^(\s]{0,16})\(.*?\)\1"', text, re.S):
        lines.update(range(line_of(text, match.start()), line_of(text, match.end()) + 1))
    return lines


def table_lines(code, start, end):
    """Lines inside `= {...}`: the rows of a table are data, not steps."""
    total = 0
    at = start
    while True:
        match = re.search(r"=\s*\{", code[at:end])
        if not match:
            return total
        opening = at + match.end() - 1
        at = min(matching(code, opening), end)
        total += code.count("\n", opening, at)


_SCOPE = re.compile(r"^\s*(template\s*<.*>\s*)?(inline\s+)?"
                    r"(namespace|class|struct|union|enum|extern\s*\")", re.S)
_NAME = re.compile(r"([~\w:]+|operator\s*[^\s\w(]+|operator\s*\(\))\s*\($")


def functions(code):
    """Yields (name, start, end) of each function body; `code` is stripped text."""
    yield from _scan_scope(code, 0, len(code))


def _scan_scope(code, start, end):
    segment = start
    i = start
    while i < end:
        c = code[i]
        if c == "#" and code[code.rfind("\n", 0, i) + 1:i].strip() == "":
            while True:
                stop = code.find("\n", i)
                stop = end if stop < 0 else stop
                if code[stop - 1] != "\\":
                    break
                i = stop + 1
            segment = i = stop
        elif c == ";":
            segment = i + 1
        elif c == "(":
            i = matching(code, i)
        elif c == "{":
            close = matching(code, i)
            head = code[segment:i]
            if _SCOPE.match(head) and not re.search(r"\)\s*(const)?\s*$", head):
                yield from _scan_scope(code, i + 1, close)
                segment = close + 1
            elif _opens_function(head):
                yield _function_name(head), i, close
                segment = close + 1
            i = close
        elif c == "}":
            segment = i + 1
        i += 1


def _opens_function(head):
    if "(" not in head or re.search(r"=\s*$", head) or re.search(r"=\s*[\w:<>, ]*$", head):
        return False
    in_initialisers = re.search(r"\)\s*(noexcept\s*)?:[^:]", head)
    return not (in_initialisers and re.search(r"[\w>]\s*$", head))


def _function_name(head):
    found = _NAME.search(head[:head.find("(") + 1].strip())
    return re.sub(r"\s+", " ", found.group(1)) if found else "function"


def statements(code, start, end):
    """Yields (index, text, has_braces, has_lambda) of each full expression between the indices.

    Braces and lambdas count when they stand inside the statement's parentheses; a lambda's own
    statements are yielded on their own and blanked in the outer one.
    """
    begin = i = start
    text, braces, lambdas = [], False, False
    depth = 0
    while i < end:
        c = code[i]
        if c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        if c == "{":
            close = min(matching(code, i), end)
            inner = code[i + 1:close]
            before = "".join(text).rstrip()
            body = ";" in inner or re.search(r"[)\]]\s*(mutable\s*)?(->[\s\w:<>,*&]+)?$", before)
            if depth > 0 or (not body and re.search(r"[\w>=,(]$", before)):
                if body:
                    lambdas = True
                    yield from statements(code, i + 1, close)
                else:
                    braces = braces or depth > 0
                text.append("{}")
                i = close + 1
                continue
            yield begin, "".join(text), braces, lambdas
            yield from statements(code, i + 1, close)
            text, braces, lambdas, begin, depth = [], False, False, close + 1, 0
            i = close + 1
            continue
        if c == ";" and depth <= 0:
            yield begin, "".join(text), braces, lambdas
            text, braces, lambdas, begin, depth = [], False, False, i + 1, 0
        else:
            text.append(c)
        i += 1
    if "".join(text).strip():
        yield begin, "".join(text), braces, lambdas
