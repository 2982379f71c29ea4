// The reference: the API's description, written out. All that it says is text to this page, wherever it
// comes from: nothing of it is ever taken for markup.

const $ = (id) => document.getElementById(id);

/** A copy of a `<template>`'s first element. */
const copyOf = (id) => $(id).content.firstElementChild.cloneNode(true);

/** An element with text or other elements in it. */
function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...[content].flat());
  return made;
}

/** The description that is shown, for references in it. */
let api = null;

/** What a reference stands for, with what is said beside it. */
function resolved(value) {
  if (!value?.$ref) return value ?? {};
  const path = value.$ref.slice(2).split("/");
  const found = path.reduce((place, name) => place?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  const { $ref, ...beside } = value;
  return { name: path.at(-1), ...resolved(found), ...beside };
}

// Text: paragraphs, lists, `code` and **bold**, which is all of Markdown that the description uses.

function inline(text) {
  const parts = text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean);
  return parts.map((part) => {
    if (part.startsWith("`") && part.length > 2) return element("code", part.slice(1, -1));
    if (part.startsWith("**") && part.length > 4) return element("strong", part.slice(2, -2));
    return part;
  });
}

function blocks(text = "") {
  return text.trim().split(/\n\s*\n/).map((block) => {
    if (!block.startsWith("- ")) return element("p", inline(block));
    return element("ul", block.slice(2).split(/\n- /).map((line) => element("li", inline(line))));
  });
}

// Schemas.

const NAMES = { string: "text", integer: "integer", number: "number", boolean: "true or false", object: "object", null: "null" };

/** What a value is, in a few words. */
function kind(schema) {
  schema = resolved(schema);
  if ("const" in schema) return JSON.stringify(schema.const);
  const values = schema.enum ?? constants(schema.oneOf);
  if (values) return `one of ${values.map((value) => JSON.stringify(value)).join(", ")}`;
  if (schema.anyOf) return [...new Set(schema.anyOf.map(kind))].join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items)}${bounds(schema)}`;
  const types = [schema.type].flat().filter(Boolean);
  if (!types.length) return schema.properties ? "object" : "anything";
  const first = schema.format === "date-time" ? "time" : schema.format === "uuid" ? "uuid" : NAMES[types[0]] ?? types[0];
  const rest = types.slice(1).map((type) => NAMES[type] ?? type);
  return [first + bounds(schema), ...rest].join(" or ");
}

/** The values of a choice among constants. */
function constants(choices) {
  const all = choices?.map(resolved);
  return all?.every((choice) => "const" in choice) ? all.map((choice) => choice.const) : null;
}

function bounds({ minLength, maxLength, maxItems, minimum, maximum, pattern }) {
  const said = [];
  if (minLength !== undefined && maxLength !== undefined) said.push(`${minLength} to ${maxLength} characters`);
  else if (minLength !== undefined) said.push(`${minLength} characters or more`);
  if (maxItems !== undefined) said.push(`${maxItems} at most`);
  if (minimum > 0) said.push(`from ${minimum}`);
  // What this language cannot count beyond is no bound that anybody minds.
  if (maximum < Number.MAX_SAFE_INTEGER) said.push(`up to ${maximum}`);
  if (pattern) said.push(`matches ${pattern}`);
  return said.length ? `, ${said.join(", ")}` : "";
}

/** The members of an object, or of what a list holds; nothing for other values. */
function members(schema) {
  schema = resolved(schema);
  if (schema.items) return members(schema.items);
  const variants = (schema.anyOf ?? schema.oneOf ?? []).map(resolved).filter(({ properties }) => properties);
  if (variants.length) {
    const lines = variants.map((variant) => [element("dt", inline(variant.description ?? "")), element("dd", members(variant))]);
    return [element("dl", lines.flat(), { class: "members" })];
  }
  if (!schema.properties) return [];
  const lines = Object.entries(schema.properties).map(([name, member]) => {
    const required = (schema.required ?? []).includes(name);
    return entry(name, member, resolved(member).description, required ? "" : "may be absent");
  });
  return [element("dl", lines.flat(), { class: "members" })];
}

/** A name, what is there, and what it means. */
function entry(name, schema, about, remark) {
  const words = [kind(schema), remark].filter(Boolean).join("; ");
  return [
    element("dt", [element("code", name), element("span", words, { class: "kind" })]),
    element("dd", [...blocks(about), ...members(schema)]),
  ];
}

/** The examples of a schema, or a list of those of its items. */
function examples(schema) {
  schema = resolved(schema);
  const items = schema.properties?.items?.items;
  if (!schema.examples && items) return examples(items).map((item) => ({ items: [item], next: null }));
  return schema.examples ?? [];
}

/** An example as it goes over the line. */
function written(type, example) {
  if (type !== "text/event-stream") return JSON.stringify(example, null, 2);
  return Object.entries(example).map(([field, value]) => `${field}: ${value}`).join("\n");
}

// Calls.

function credential({ security }) {
  const one = (name) => {
    const scheme = api.components.securitySchemes[name];
    if (scheme.type === "http") return `\`Authorization: ${scheme.scheme === "basic" ? "Basic" : "Bearer"}\``;
    return scheme.in === "cookie" ? `the cookie \`${scheme.name}\`` : `\`${scheme.name}\``;
  };
  const ways = security.map((way) => Object.keys(way).map(one).join(" with ") || "none");
  return ways.length ? `${ways.join(", or ")}.` : "None.";
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A command line that makes the call. */
function shell(method, path, operation) {
  const [server] = api.servers;
  const parts = [`curl ${quoted(server.url + path)}`];
  if (method !== "get") parts[0] = `curl -X ${method.toUpperCase()} ${quoted(server.url + path)}`;
  const ways = operation.security.flatMap(Object.keys);
  if (ways.includes("access_token")) parts.push('-H "Authorization: Bearer $TOKEN"');
  else if (ways.includes("client")) parts.push("-u name:secret");
  for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
    if (type === "application/json") {
      parts.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(examples(schema).at(-1) ?? {}))}`);
    } else parts.push('--data-urlencode "token=$TOKEN"');
  }
  return parts.join(" \\\n  ");
}

function writeCall(method, path, operation) {
  const call = copyOf("call");
  call.id = operation.operationId;
  const badge = call.querySelector(".method");
  badge.textContent = method.toUpperCase();
  badge.dataset.method = method;
  call.querySelector(".path").textContent = path;
  call.querySelector(".what-for").textContent = operation.summary;
  call.querySelector(".about").append(...blocks(operation.description));
  call.querySelector(".credential").append(...inline(credential(operation)));
  call.querySelector(".shell").textContent = shell(method, path, operation);
  call.querySelector(".parts").append(...parameters(operation), ...body(operation), ...answers(operation));
  call.querySelector(".refusals").append(...refusals(operation));
  return call;
}

function parameters({ parameters = [] }) {
  if (!parameters.length) return [];
  const places = { path: "in the path", query: "behind the ?", header: "header" };
  const lines = parameters.map((one) => entry(one.name, one.schema, one.description, places[one.in] ?? one.in));
  return [element("h4", "Parameters"), element("dl", lines.flat(), { class: "members" })];
}

function body({ requestBody }) {
  if (!requestBody) return [];
  return [
    element("h4", requestBody.required ? "Body" : "Body, or none"),
    ...content(requestBody.content, requestBody.description),
  ];
}

function answers({ responses }) {
  const good = Object.entries(responses).filter(([status]) => status < "400");
  return good.flatMap(([status, answer]) => {
    const { headers = {}, content: types = {}, description } = resolved(answer);
    const lines = Object.entries(headers).map(([name, header]) => {
      const { schema, description, required } = resolved(header);
      return entry(name, schema, description, required ? "header" : "header; may be absent");
    });
    return [
      element("h4", `Answer ${status}`),
      ...content(types, description),
      element("dl", lines.flat(), { class: "members" }),
    ];
  });
}

/** What a body is, where anything is said of it. */
const says = (schema) => (schema ? kind(schema) : "");

/** What is in a body. */
function content(types, about) {
  const said = Object.entries(types).map(([type, { schema }]) => [
    element("p", [element("code", type), element("span", says(schema), { class: "kind" })]),
    ...members(schema),
    ...examples(schema).map((example) => element("pre", written(type, example))),
  ]);
  return [...blocks(about), ...said.flat()];
}

function refusals({ responses }) {
  const bad = Object.entries(responses).filter(([status]) => status >= "400");
  return bad.flatMap(([status, answer]) => {
    const schema = resolved(answer).content?.["application/problem+json"]?.schema ?? {};
    const slugs = (schema.oneOf ?? [schema]).map(({ $ref }) => $ref?.split("/problem-").at(-1));
    const links = slugs.filter(Boolean).flatMap((slug) => [" ", element("a", slug, { href: `#problem-${slug}` })]);
    return [element("span", [status, ...links]), " "];
  });
}

/** Writes a description out in the place of the one before. */
export function write(description) {
  api = description;
  $("title").textContent = `${api.info.title} ${api.info.version}`;
  $("summary").textContent = api.info.summary;
  $("overview").replaceChildren(...blocks(api.info.description));
  // Where the calls send to that name a problem.
  for (const line of $("overview").querySelectorAll("li")) {
    const slug = line.querySelector("code")?.textContent;
    if (slug) line.id = `problem-${slug}`;
  }
  $("groups").replaceChildren();
  $("contents").replaceChildren();
  for (const { name, description } of api.tags) {
    const group = copyOf("group");
    group.id = `group-${name.toLowerCase()}`;
    group.querySelector(".group-name").textContent = name;
    group.querySelector(".group-about").append(...inline(description));
    const links = [];
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (!operation.tags.includes(name)) continue;
        group.querySelector(".calls").append(writeCall(method, path, operation));
        links.push(element("li", element("a", operation.summary, { href: `#${operation.operationId}` })));
      }
    }
    $("groups").append(group);
    const head = element("a", name, { href: `#${group.id}` });
    $("contents").append(element("li", [head, element("ul", links)]));
  }
}

/** Shows the calls alone in whose line `text` stands. */
function find(text) {
  const wanted = text.trim().toLowerCase();
  let count = 0;
  for (const group of document.querySelectorAll(".group")) {
    let some = false;
    for (const call of group.querySelectorAll(".call")) {
      call.hidden = !call.firstElementChild.textContent.toLowerCase().includes(wanted);
      const link = $("contents").querySelector(`a[href="#${CSS.escape(call.id)}"]`);
      if (link) link.parentElement.hidden = call.hidden;
      some ||= !call.hidden;
      count += call.hidden ? 0 : 1;
    }
    group.hidden = !some;
    const link = $("contents").querySelector(`a[href="#${CSS.escape(group.id)}"]`);
    if (link) link.parentElement.hidden = !some;
  }
  $("overview").hidden = Boolean(wanted);
  $("found").textContent = wanted ? `${count} ${count === 1 ? "call" : "calls"}` : "";
}

/** Opens the call that the address names. */
function open() {
  const place = $(decodeURIComponent(location.hash.slice(1)));
  if (!place) return;
  if (place.closest("[hidden]")) {
    $("wanted").value = "";
    find("");
  }
  if (place.matches(".call")) place.open = true;
  place.scrollIntoView();
}

$("wanted").addEventListener("input", (event) => find(event.target.value));
addEventListener("hashchange", open);

const wide = matchMedia("(min-width: 56.01rem)");
const showContents = () => {
  $("contents-list").open = wide.matches;
};
wide.addEventListener("change", showContents);
showContents();

const description = await fetch(new URL("../openapi.json", import.meta.url))
  .then((answer) => (answer.ok ? answer.json() : null))
  .catch(() => null);
if (description) write(description);
$("loading").hidden = true;
$("reference").hidden = !description;
$("unreachable").hidden = Boolean(description);
if (description) open();
