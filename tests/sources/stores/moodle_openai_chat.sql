-- The log of Moodle's block_openai_chat 4.0.2 (db/install.xml) and Moodle's own table of contexts, with the prefix that
-- Moodle proposes. Answers are HTML, as the block shows and logs them.

CREATE TABLE mdl_context (
    id bigserial PRIMARY KEY,
    contextlevel bigint NOT NULL DEFAULT 0,
    instanceid bigint NOT NULL DEFAULT 0,
    path varchar(255),
    depth smallint NOT NULL DEFAULT 0,
    locked smallint NOT NULL DEFAULT 0
);

CREATE TABLE mdl_block_openai_chat_log (
    id bigserial PRIMARY KEY,
    userid bigint NOT NULL,
    usermessage text NOT NULL,
    airesponse text,
    contextid bigint NOT NULL,
    timecreated bigint NOT NULL
);
CREATE INDEX mdl_blocopenchatlog_tim_ix ON mdl_block_openai_chat_log (timecreated);
CREATE INDEX mdl_blocopenchatlog_usetim_ix ON mdl_block_openai_chat_log (userid, timecreated);

INSERT INTO mdl_context (id, contextlevel, instanceid, path, depth) VALUES
    (1, 10, 0, '/1', 1), (3, 40, 1, '/1/3', 2), (25, 50, 12, '/1/3/25', 3), (26, 50, 13, '/1/3/26', 3),
    (31, 70, 77, '/1/3/25/31', 4), (40, 30, 5, '/1/40', 2);

INSERT INTO mdl_block_openai_chat_log (id, userid, usermessage, airesponse, contextid, timecreated) VALUES
    -- User 5 in course 12, on the page of an activity; two rows of one second; meanwhile in course 13.
    (1, 5, '¿Qué es una fracción?', E'<p>Una <strong>parte</strong> de un todo:</p>\n<ul>\n<li>el numerador</li>\n<li>el denominador</li>\n</ul>', 31, 1772359200),
    (2, 5, '¿Y si a < b?', '<p>Entonces a/b es menor que 1: <code>a &lt; b</code>.</p>', 31, 1772359200),
    (3, 5, '¿Qué es un mapa?', '<p>Una representación del terreno.</p>', 26, 1772359230),
    -- The next day: another conversation.
    (4, 5, '¿Qué es un decimal?', '<p>Un número con coma.</p>', 31, 1772445600),
    -- What the provider said in place of an answer, and no answer at all.
    (5, 6, '¿Qué es pi?', '<p>429: Rate limit reached for ana@example.org</p>', 25, 1772360000),
    (6, 6, '¿Qué es pi?', NULL, 25, 1772360010),
    -- Two guests, who are the same user to Moodle, on the front page.
    (7, 1, 'Soy invitado', '<p>Hola, invitado.</p>', 1, 1772361000),
    (8, 1, 'Yo también', '<p>Hola a ti también.</p>', 1, 1772361005),
    -- On the dashboard, which belongs to no course; a version that logged plain text.
    (9, 7, '¿Qué es un ángulo?', 'La abertura entre dos semirrectas: 0 < a < 360.', 40, 1772362000);
