#!/usr/bin/env python3
"""Renders every template with every conversation by jinja2, set up as Hugging Face's transformers
does it: the reference of template_conformance_test.cpp.

    render_templates.py TEMPLATES_FOLDER CONVERSATIONS_JSON > OUT_JSON
"""
import json
import os
import sys
from datetime import datetime, timezone

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = 1_767_323_045  # 2026-01-02 03:04:05 UTC


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks the assistant's words for training; here only its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


environment = jinja2.sandbox.SandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation]
)
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = lambda form: datetime.fromtimestamp(NOW, timezone.utc).strftime(form)

results = []
with open(sys.argv[2], encoding="utf-8") as file:
    conversations_text = file.read()
for name in sorted(os.listdir(sys.argv[1])):
    if not name.endswith(".jinja"):
        continue
    with open(os.path.join(sys.argv[1], name), encoding="utf-8") as file:
        source = file.read()
    # Parsed anew for each template: some change what they are given.
    for conversation, context in json.loads(conversations_text).items():
        row = {"template": name, "conversation": conversation}
        try:
            row["text"] = environment.from_string(source).render(**context)
        except Exception as error:  # whatever it is, ours must refuse too
            row["error"] = f"{type(error).__name__}: {error}"
        results.append(row)
        context = None
json.dump(results, sys.stdout, ensure_ascii=False)
