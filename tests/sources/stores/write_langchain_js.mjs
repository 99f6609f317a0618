// Have LangChain.js's own code write a tutoring conversation, as n8n does with the table n8n_chat_histories.
// Prints the table as SQL, ready to be kept as langchain_js.sql:
//
//     npm install --legacy-peer-deps @langchain/community@1.1.29 @langchain/core@1.4.0 pg@8.23.1
//     node write_langchain_js.mjs postgresql://me@localhost/an_empty_database > langchain_js.sql
//
// Run it where those packages are installed.
import { createRequire } from "node:module";
import { PostgresChatMessageHistory } from "@langchain/community/stores/message/postgres";
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import pg from "pg";

const version = (name) => createRequire(import.meta.url)(`${name}/package.json`).version;
const pool = new pg.Pool({ connectionString: process.argv[2] });
const table = "n8n_chat_histories";
const history = new PostgresChatMessageHistory({ tableName: table, sessionId: "+34 600 000 007", pool });

const documents = [{ pageContent: "La célula es la unidad de los seres vivos.", metadata: { source: "bio-1.pdf" } }];
await history.addMessages([
  new SystemMessage("Eres un tutor."),
  new HumanMessage("¿Qué es una célula? 🦠"),
  new AIMessage({ content: "", tool_calls: [{ id: "c1", name: "buscar", args: { q: "célula" }, type: "tool_call" }] }),
  new ToolMessage({ content: "La célula...", tool_call_id: "c1", name: "buscar", artifact: { documents } }),
  new AIMessage({
    content: [
      { type: "text", text: "Es la unidad " },
      { type: "text", text: "de los seres vivos." },
    ],
    response_metadata: { model_name: "gpt-4.1-mini", finish_reason: "stop" },
  }),
  new HumanMessage("¿Y un virus?"),
  new AIMessage({ content: "No es una cél", response_metadata: { model: "llama3.2", done_reason: "length" } }),
]);

const { rows: columns } = await pool.query(
  "SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns " +
    "WHERE table_name = $1 ORDER BY ordinal_position",
  [table],
);
const kinds = columns.map(
  (one) =>
    `    ${one.column_name} ${/^nextval/.test(one.column_default ?? "") ? "serial PRIMARY KEY" : one.data_type}` +
    (one.is_nullable === "NO" && !one.column_default ? " NOT NULL" : ""),
);
const { rows } = await pool.query(`SELECT id, session_id, message::text AS message FROM ${table} ORDER BY id`);
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
console.log(
  `-- Written by @langchain/community ${version("@langchain/community")} with @langchain/core ` +
    `${version("@langchain/core")}. See write_langchain_js.mjs.\n\nCREATE TABLE ${table} (\n${kinds.join(",\n")}\n);`,
);
for (const { id, session_id, message } of rows) {
  console.log(
    `INSERT INTO ${table} (id, session_id, message) VALUES (${id}, ${quoted(session_id)}, ${quoted(message)});`,
  );
}
await pool.end();
