"""Checks answers of the API against docs/reference/openapi.json: as much of JSON Schema as is in
there; a word that this does not know is an error, so nothing goes unchecked."""
import json
import pathlib
import re

PATH = pathlib.Path(__file__).resolve().parents[2] / "docs/reference/openapi.json"
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "oneOf",
         "$ref", "description", "pattern", "format", "maxLength", "minimum", "maximum", "default"}
TYPES = {"string": str, "integer": int, "object": dict, "array": list, "boolean": bool,
         "null": type(None)}


class Description:
    def __init__(self):
        self.document = json.loads(PATH.read_text())
        self.seen = set()  # (method, path, status)

    def operations(self):
        return {(method.upper(), path, int(status))
                for path, methods in self.document["paths"].items()
                for method, operation in methods.items() for status in operation["responses"]}

    def match(self, path):
        for template in sorted(self.document["paths"], key=lambda one: one.count("{")):
            shape = "".join("[^/]+" if part.startswith("{") else re.escape(part)
                            for part in re.split(r"(\{[^}]+\})", template))
            if re.fullmatch(shape, path):
                return template
        return None

    def check(self, method, path, status, media, body):
        """An answer must be described: its path, status, media type and every member."""
        template = self.match(path)
        assert template, f"{path} is not in openapi.json"
        operation = self.document["paths"][template].get(method.lower())
        assert operation, f"{method} {template} is not in openapi.json"
        answer = operation["responses"].get(str(status))
        assert answer, f"{method} {template} may not answer {status}: {body[:300]}"
        self.seen.add((method, template, status))
        media = media.split(";")[0]
        assert media in answer["content"], f"{method} {template} {status}: {media}"
        if media == "application/json":
            self.validate(json.loads(body), answer["content"][media]["schema"],
                          f"{method} {template} {status}")

    def validate(self, value, schema, where):
        unknown = set(schema) - KNOWN
        assert not unknown, f"{where}: the validator does not know {unknown}"
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/components/schemas/")
            self.validate(value, self.document["components"]["schemas"][name], where)
            return
        if "oneOf" in schema:
            fits = 0
            problems = []
            for one in schema["oneOf"]:
                try:
                    self.validate(value, one, where)
                    fits += 1
                except AssertionError as problem:
                    problems.append(str(problem))
            assert fits == 1, f"{where}: fits {fits} of oneOf: {problems}"
        if "const" in schema:
            assert value == schema["const"], f"{where}: {value!r} is not {schema['const']!r}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r} is none of {schema['enum']}"
        if "type" in schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            fits = any(isinstance(value, TYPES[name]) and
                       not (name == "integer" and isinstance(value, bool)) for name in names)
            assert fits, f"{where}: {value!r} is no {names}"
        if "pattern" in schema and isinstance(value, str):
            assert re.search(schema["pattern"], value), f"{where}: {value!r}"
        if schema.get("format") == "date-time":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value), f"{where}: {value}"
        if isinstance(value, dict):
            self.validate_object(value, schema, where)
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.validate(item, schema.get("items", {}), f"{where}[{index}]")

    def validate_object(self, value, schema, where):
        for name in schema.get("required", []):
            assert name in value, f"{where}: {name} is missing"
        more = schema.get("additionalProperties", True)
        for name, item in value.items():
            if name in schema.get("properties", {}):
                self.validate(item, schema["properties"][name], f"{where}.{name}")
            elif isinstance(more, dict):
                self.validate(item, more, f"{where}.{name}")
            else:
                assert more, f"{where}: {name} is not described"
