BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE artifacts (
	run TEXT NOT NULL, 
	task TEXT NOT NULL, 
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	type TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	filename TEXT NOT NULL, 
	metadata TEXT NOT NULL, 
	uri TEXT DEFAULT '' NOT NULL, 
	rows BIGINT, 
	CONSTRAINT pk_artifacts PRIMARY KEY (run, task, name, position), 
	CONSTRAINT fk_artifacts_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "artifacts" VALUES('full00000000','fetch-dataset','output',0,'system.Dataset','sha256:abababababababababababababababababababababababababababababababab',10,'output.parquet','{"format":"parquet","rows":569}','',569);
CREATE TABLE attempts (
	run TEXT NOT NULL, 
	task TEXT NOT NULL, 
	serial INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	how TEXT NOT NULL, 
	why TEXT NOT NULL, 
	pid BIGINT, 
	pid_start BIGINT, 
	pid_boot TEXT, 
	queued DOUBLE NOT NULL, 
	started DOUBLE NOT NULL, 
	ended DOUBLE, 
	cpu_seconds DOUBLE, 
	peak_memory BIGINT, 
	exit_code INTEGER, 
	message TEXT NOT NULL, 
	directory TEXT NOT NULL, 
	CONSTRAINT pk_attempts PRIMARY KEY (run, task, serial), 
	CONSTRAINT fk_attempts_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "attempts" VALUES('full00000000','fit',1,1,'RUNNING','fork','',NULL,NULL,NULL,1.0,2.0,NULL,NULL,NULL,NULL,'','');
CREATE TABLE bundles (
	digest TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	files TEXT NOT NULL, 
	CONSTRAINT pk_bundles PRIMARY KEY (digest)
);
INSERT INTO "bundles" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',12,'{"algorithms/tumour.py":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}');
CREATE TABLE closures (
	digest TEXT NOT NULL, 
	definitions TEXT NOT NULL, 
	CONSTRAINT pk_closures PRIMARY KEY (digest)
);
INSERT INTO "closures" VALUES('cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','{"tumour:fit":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"}');
CREATE TABLE collected (
	run TEXT NOT NULL, 
	time DOUBLE NOT NULL, 
	rule TEXT NOT NULL, 
	CONSTRAINT pk_collected PRIMARY KEY (run), 
	CONSTRAINT fk_collected_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "collected" VALUES('full00000000',3000.0,'--keep-last 1');
CREATE TABLE commits (
	project TEXT NOT NULL, 
	sha TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	committed DOUBLE NOT NULL, 
	CONSTRAINT pk_commits PRIMARY KEY (project, sha)
)
 WITHOUT ROWID

;
INSERT INTO "commits" VALUES('clinic','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','',1000.0);
INSERT INTO "commits" VALUES('clinic','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',2000.0);
INSERT INTO "commits" VALUES('clinic','cccccccccccccccccccccccccccccccccccccccc','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',3000.0);
CREATE TABLE configmaps (
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	updated DOUBLE NOT NULL, 
	CONSTRAINT pk_configmaps PRIMARY KEY (project, name, "key")
)
 WITHOUT ROWID

;
INSERT INTO "configmaps" VALUES('clinic','tuning','depth','3',1700.0);
CREATE TABLE environments (
	digest TEXT NOT NULL, 
	pins TEXT NOT NULL, 
	CONSTRAINT pk_environments PRIMARY KEY (digest)
);
INSERT INTO "environments" VALUES('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','[{"kind":"Pin","name":"numpy","version":"2.0","hashes":["sha256:1"]},{"kind":"Pin","name":"pandas","version":"2.2","hashes":[]}]');
CREATE TABLE experiments (
	id TEXT NOT NULL, 
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	last_run DOUBLE, 
	archived DOUBLE, 
	CONSTRAINT pk_experiments PRIMARY KEY (id), 
	CONSTRAINT uq_experiments_name UNIQUE (name)
);
INSERT INTO "experiments" VALUES('exp000000000','clinic','nightly','each night',1500.0,2100.0,NULL);
CREATE TABLE extras (
	head TEXT NOT NULL, 
	baseline TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	run TEXT NOT NULL, 
	CONSTRAINT pk_extras PRIMARY KEY (head, baseline, purpose), 
	CONSTRAINT fk_extras_head FOREIGN KEY(head) REFERENCES runs (id) ON DELETE CASCADE, 
	CONSTRAINT fk_extras_baseline FOREIGN KEY(baseline) REFERENCES runs (id) ON DELETE CASCADE, 
	CONSTRAINT fk_extras_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "extras" VALUES('fork00000000','full00000000','rescore','extra0000000');
CREATE TABLE facts (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_facts PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "facts" VALUES('time-zone','Europe/Vienna');
CREATE TABLE parameters (
	run TEXT NOT NULL, 
	task TEXT NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_parameters PRIMARY KEY (run, task, name), 
	CONSTRAINT fk_parameters_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "parameters" VALUES('full00000000','fetch-dataset','n','3');
CREATE TABLE pins (
	project TEXT NOT NULL, 
	algorithm TEXT NOT NULL, 
	preset TEXT NOT NULL, 
	branch TEXT NOT NULL, 
	run TEXT NOT NULL, 
	author TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_pins PRIMARY KEY (project, algorithm, preset, branch), 
	CONSTRAINT fk_pins_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "pins" VALUES('clinic','tumour','full','','full00000000','anna','the good one',2400.0);
CREATE TABLE pipelines (
	id TEXT NOT NULL, 
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	display_name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_pipelines PRIMARY KEY (id), 
	CONSTRAINT uq_pipelines_name UNIQUE (name)
);
INSERT INTO "pipelines" VALUES('pipe00000000','clinic','tumour','Tumour','','{"team":"a"}',1400.0);
CREATE TABLE points (
	run TEXT NOT NULL, 
	name TEXT NOT NULL, 
	task TEXT NOT NULL, 
	serial INTEGER NOT NULL, 
	position BIGINT NOT NULL, 
	ordinal INTEGER NOT NULL, 
	step BIGINT, 
	value DOUBLE, 
	time DOUBLE NOT NULL, 
	CONSTRAINT pk_points PRIMARY KEY (run, name, task, serial, position, ordinal), 
	CONSTRAINT fk_points_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "points" VALUES('full00000000','auc','fit',1,1,0,NULL,0.9,1.0);
CREATE TABLE projects (
	name TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_projects PRIMARY KEY (name)
);
INSERT INTO "projects" VALUES('clinic',1000.25);
CREATE TABLE promotions (
	project TEXT NOT NULL, 
	algorithm TEXT NOT NULL, 
	alias TEXT NOT NULL, 
	serial INTEGER NOT NULL, 
	run TEXT NOT NULL, 
	restored INTEGER, 
	author TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	gates TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_promotions PRIMARY KEY (project, algorithm, alias, serial), 
	CONSTRAINT fk_promotions_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "promotions" VALUES('clinic','tumour','production',1,'full00000000',NULL,'anna','ready','{"kind":"Ruling","baseline":"bare00000000","found":"","verdict":"better","gate":"passed","gates":[{"kind":"Ruled","metric":"auc","gate":"minimum","outcome":"passed","limit":0.8,"value":0.9,"reason":""}],"forced":false,"dirty":false}',2500.0);
CREATE TABLE readings (
	run TEXT NOT NULL, 
	task TEXT NOT NULL, 
	serial INTEGER NOT NULL, 
	position BIGINT NOT NULL, 
	CONSTRAINT pk_readings PRIMARY KEY (run, task, serial), 
	CONSTRAINT fk_readings_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "readings" VALUES('full00000000','fit',1,1);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	project TEXT NOT NULL, 
	algorithm TEXT NOT NULL, 
	state TEXT NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	preset TEXT NOT NULL, 
	metrics TEXT NOT NULL, 
	git_branch TEXT NOT NULL, 
	git_commit TEXT NOT NULL, 
	git_author TEXT NOT NULL, 
	git_message TEXT NOT NULL, 
	git_committed DOUBLE NOT NULL, 
	git_dirty BOOLEAN NOT NULL, 
	git_diff TEXT NOT NULL, 
	bundle TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	python TEXT NOT NULL, 
	implementation TEXT NOT NULL, 
	platform TEXT NOT NULL, 
	executable TEXT NOT NULL, 
	lock TEXT NOT NULL, 
	lock_digest TEXT NOT NULL, 
	host_name TEXT NOT NULL, 
	host TEXT, 
	spec TEXT NOT NULL, 
	version TEXT NOT NULL, 
	"trigger" TEXT NOT NULL, 
	tokens TEXT NOT NULL, 
	refresh BOOLEAN NOT NULL, 
	created DOUBLE NOT NULL, 
	started DOUBLE, 
	ended DOUBLE, 
	message TEXT NOT NULL, 
	note TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	lease_host TEXT, 
	lease_boot TEXT, 
	lease_pid BIGINT, 
	lease_start BIGINT, 
	lease_renewed DOUBLE, 
	cancel_requested DOUBLE, 
	environments TEXT DEFAULT '' NOT NULL, 
	sweep TEXT DEFAULT '' NOT NULL, 
	origin TEXT DEFAULT '' NOT NULL, 
	ticket TEXT DEFAULT '' NOT NULL, 
	fork TEXT DEFAULT '' NOT NULL, 
	experiment TEXT DEFAULT '' NOT NULL, 
	pipeline TEXT DEFAULT '' NOT NULL, 
	pipeline_version TEXT DEFAULT '' NOT NULL, 
	schedule TEXT DEFAULT '' NOT NULL, 
	scheduled DOUBLE, 
	archived DOUBLE, 
	queue TEXT DEFAULT '' NOT NULL, 
	owner TEXT DEFAULT '' NOT NULL, 
	root TEXT DEFAULT '' NOT NULL, 
	service_account TEXT DEFAULT '' NOT NULL, 
	states TEXT DEFAULT '' NOT NULL, 
	notices TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runs_project FOREIGN KEY(project) REFERENCES projects (name)
);
INSERT INTO "runs" VALUES('bare00000000','clinic','tumour','PENDING','','','full','[]','','','','',0.0,0,'','','','','cpython','','','','','',NULL,'','','cli','{}',0,2000.0,NULL,NULL,'','',0,NULL,NULL,NULL,NULL,NULL,NULL,'','','','','','','','','',NULL,NULL,'','','','','','');
INSERT INTO "runs" VALUES('full00000000','clinic','tumour','FAILED','a name','described','toy','[{"kind":"MetricSpec","name":"auc","goal":"max","primary":true,"tolerance":0.005,"minimum":null,"max_drop":null,"of":""}]','feature/IA-1742-doc-type','cccccccccccccccccccccccccccccccccccccccc','A','Widen the margin',5.5,1,'sha256:dd','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','3.11.7','cpython','linux','/usr/bin/python3','uv.lock','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff','here','{"kind":"Host","name":"here","boot":"boot","cpus":2,"memory":1099511627776,"gpus":0,"system":""}','sha256:ee','v1','ci','{"exec-fetch":"2026-01-01"}',1,1000.25,1001.0,1004.0,'fit: ValueError: boom','noted',1,NULL,NULL,NULL,NULL,NULL,NULL,'{"torch":{"kind":"Environment","digest":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","python":"3.11.7","implementation":"cpython","platform":"linux","executable":"/venv/bin/python","lock":"uv.lock","lock_digest":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}}','sweep0000000','bare00000000','IA-1742','','','','','',NULL,NULL,'','','','','','');
INSERT INTO "runs" VALUES('serv00000000','clinic','tumour','PENDING','nightly 1','','full','[]','','','','',0.0,0,'','','','','cpython','','','','','',NULL,'','','schedule','{}',0,2100.0,NULL,NULL,'','',0,NULL,NULL,NULL,NULL,NULL,NULL,'','','','','','exp000000000','pipe00000000','vers00000000','sched0000000',2100.0,NULL,'server','anna','minio://x','runner','','["its volume is a directory here"]');
INSERT INTO "runs" VALUES('fork00000000','clinic','tumour','PENDING','','','full','[]','feature/IA-9-x','dddddddddddddddddddddddddddddddddddddddd','anna','',0.0,0,'','','','','cpython','','','','','',NULL,'','','cli','{}',0,2200.0,NULL,NULL,'','',0,NULL,NULL,NULL,NULL,NULL,NULL,'','','','','{"kind":"Fork","target":"main","start":"merge base","commit":"cccccccccccccccccccccccccccccccccccccccc","shallow":false,"merged":[],"against":""}','','','','',NULL,NULL,'','','','','','');
INSERT INTO "runs" VALUES('extra0000000','clinic','tumour','PENDING','','','full','[]','','','','',0.0,0,'','','','','cpython','','','','','',NULL,'','','comparison','{}',0,2300.0,NULL,NULL,'','',0,NULL,NULL,NULL,NULL,NULL,NULL,'','','fork00000000','','','','','','',NULL,NULL,'','','','','','');
CREATE TABLE schedules (
	id TEXT NOT NULL, 
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	experiment TEXT NOT NULL, 
	pipeline TEXT NOT NULL, 
	pipeline_version TEXT NOT NULL, 
	spec TEXT NOT NULL, 
	parameters TEXT NOT NULL, 
	root TEXT NOT NULL, 
	service_account TEXT NOT NULL, 
	"trigger" TEXT NOT NULL, 
	max_concurrency INTEGER NOT NULL, 
	catchup BOOLEAN NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	created DOUBLE NOT NULL, 
	updated DOUBLE NOT NULL, 
	next DOUBLE, 
	last DOUBLE, 
	count INTEGER NOT NULL, 
	CONSTRAINT pk_schedules PRIMARY KEY (id)
);
INSERT INTO "schedules" VALUES('sched0000000','clinic','nightly','','exp000000000','pipe00000000','vers00000000','','{"C":0.1}','','','{"kind":"Cron","expression":"0 0 2 * * *"}',1,0,1,1600.0,1600.0,2200.0,2100.0,1);
CREATE TABLE secrets (
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	version TEXT NOT NULL, 
	updated DOUBLE NOT NULL, 
	CONSTRAINT pk_secrets PRIMARY KEY (project, name, "key")
)
 WITHOUT ROWID

;
INSERT INTO "secrets" VALUES('clinic','db','password','sealed','1',1700.0);
CREATE TABLE servers (
	id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	boot TEXT NOT NULL, 
	pid BIGINT NOT NULL, 
	start BIGINT NOT NULL, 
	address TEXT NOT NULL, 
	started DOUBLE NOT NULL, 
	seen DOUBLE NOT NULL, 
	CONSTRAINT pk_servers PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "servers" VALUES('server000000','here','boot',1,2,'http://127.0.0.1:8080',1900.0,1900.0);
CREATE TABLE settings (
	run TEXT NOT NULL, 
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	number DOUBLE, 
	text TEXT, 
	source TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	CONSTRAINT pk_settings PRIMARY KEY (run, name), 
	CONSTRAINT fk_settings_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "settings" VALUES('full00000000','C',1,'0.1',0.1,NULL,'preset','toy');
INSERT INTO "settings" VALUES('full00000000','deep.flag',3,'true',1.0,NULL,'default','');
INSERT INTO "settings" VALUES('full00000000','folds',2,'[1,2]',NULL,NULL,'file','a.toml');
INSERT INTO "settings" VALUES('full00000000','limit',4,'null',NULL,NULL,'default','');
INSERT INTO "settings" VALUES('full00000000','penalty',0,'"l1"',NULL,'l1','override','');
CREATE TABLE summaries (
	run TEXT NOT NULL, 
	name TEXT NOT NULL, 
	task TEXT NOT NULL, 
	serial INTEGER NOT NULL, 
	points BIGINT NOT NULL, 
	last DOUBLE, 
	step BIGINT, 
	low DOUBLE, 
	high DOUBLE, 
	time DOUBLE NOT NULL, 
	CONSTRAINT pk_summaries PRIMARY KEY (run, name, task), 
	CONSTRAINT fk_summaries_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "summaries" VALUES('full00000000','auc','fit',1,1,0.9,NULL,0.9,0.9,1.0);
CREATE TABLE sweeps (
	id TEXT NOT NULL, 
	project TEXT NOT NULL, 
	algorithm TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	note TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_sweeps PRIMARY KEY (id), 
	CONSTRAINT fk_sweeps_project FOREIGN KEY(project) REFERENCES projects (name)
);
INSERT INTO "sweeps" VALUES('sweep0000000','clinic','tumour','{"points":[{"C":0.1}]}','wide',900.0);
CREATE TABLE tags (
	run TEXT NOT NULL, 
	tag TEXT NOT NULL, 
	CONSTRAINT pk_tags PRIMARY KEY (run, tag), 
	CONSTRAINT fk_tags_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "tags" VALUES('full00000000','b');
INSERT INTO "tags" VALUES('full00000000','champion');
CREATE TABLE tasks (
	run TEXT NOT NULL, 
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	project TEXT NOT NULL, 
	state TEXT NOT NULL, 
	executor TEXT NOT NULL, 
	component TEXT NOT NULL, 
	needs TEXT NOT NULL, 
	fingerprint TEXT, 
	parts TEXT, 
	cached_from TEXT, 
	cached_made DOUBLE, 
	made DOUBLE, 
	started DOUBLE, 
	ended DOUBLE, 
	message TEXT NOT NULL, 
	CONSTRAINT pk_tasks PRIMARY KEY (run, name), 
	CONSTRAINT fk_tasks_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "tasks" VALUES('full00000000','fetch-dataset',0,'clinic','SUCCEEDED','','fetch_dataset','[]','f1',NULL,NULL,NULL,1002.0,NULL,1002.0,'');
INSERT INTO "tasks" VALUES('full00000000','fit',1,'clinic','FAILED','','fit','["fetch-dataset"]',NULL,NULL,NULL,NULL,NULL,NULL,1003.0,'boom');
CREATE TABLE texts (
	run TEXT NOT NULL, 
	text TEXT NOT NULL, 
	CONSTRAINT pk_texts PRIMARY KEY (run), 
	CONSTRAINT fk_texts_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "texts" VALUES('bare00000000','');
INSERT INTO "texts" VALUES('extra0000000','');
INSERT INTO "texts" VALUES('fork00000000','');
INSERT INTO "texts" VALUES('full00000000','a name
noted
widen the margin
fit: valueerror: boom
ia-1742');
INSERT INTO "texts" VALUES('serv00000000','nightly 1');
CREATE TABLE ticks (
	schedule TEXT NOT NULL, 
	moment DOUBLE NOT NULL, 
	run TEXT NOT NULL, 
	CONSTRAINT pk_ticks PRIMARY KEY (schedule, moment), 
	CONSTRAINT fk_ticks_schedule FOREIGN KEY(schedule) REFERENCES schedules (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "ticks" VALUES('sched0000000',2100.0,'serv00000000');
CREATE TABLE tokens (
	name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	expires DOUBLE, 
	used DOUBLE, 
	CONSTRAINT pk_tokens PRIMARY KEY (name), 
	CONSTRAINT uq_tokens_digest UNIQUE (digest)
)
 WITHOUT ROWID

;
INSERT INTO "tokens" VALUES('anna','run','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1700.0,NULL,1800.0);
CREATE TABLE versions (
	id TEXT NOT NULL, 
	pipeline TEXT NOT NULL, 
	name TEXT NOT NULL, 
	display_name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	spec TEXT NOT NULL, 
	code_source_url TEXT NOT NULL, 
	package_url TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_versions PRIMARY KEY (id), 
	CONSTRAINT uq_versions_pipeline_name UNIQUE (pipeline, name), 
	CONSTRAINT fk_versions_pipeline FOREIGN KEY(pipeline) REFERENCES pipelines (id) ON DELETE CASCADE
);
INSERT INTO "versions" VALUES('vers00000000','pipe00000000','v1','v1','','{}','sha256:ee','','',1401.0);
CREATE TABLE views (
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_views PRIMARY KEY (project, name)
)
 WITHOUT ROWID

;
INSERT INTO "views" VALUES('clinic','bad ones','state=FAILED',950.5);
CREATE TABLE volumes (
	project TEXT NOT NULL, 
	name TEXT NOT NULL, 
	size TEXT NOT NULL, 
	access_modes TEXT NOT NULL, 
	storage_class TEXT NOT NULL, 
	path TEXT NOT NULL, 
	run TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	CONSTRAINT pk_volumes PRIMARY KEY (project, name)
)
 WITHOUT ROWID

;
INSERT INTO "volumes" VALUES('clinic','scans','5Gi','["ReadWriteOnce"]','','volumes/scans','',1700.0);
CREATE INDEX ix_experiments_created_id ON experiments (created, id);
CREATE INDEX ix_pipelines_created_id ON pipelines (created, id);
CREATE INDEX ix_schedules_created_id ON schedules (created, id);
CREATE INDEX ix_schedules_enabled_next ON schedules (enabled, next);
CREATE INDEX ix_runs_sweep ON runs (sweep);
CREATE INDEX ix_runs_queue_state ON runs (queue, state);
CREATE INDEX ix_runs_git_commit ON runs (git_commit);
CREATE INDEX ix_runs_created_id ON runs (created, id);
CREATE INDEX ix_runs_experiment_created_id ON runs (experiment, created, id);
CREATE INDEX ix_runs_listed ON runs (project, created, id, algorithm, state, preset, git_branch, ticket, git_author, "trigger", sweep, started, ended, git_dirty);
CREATE INDEX ix_runs_project_algorithm_created_id ON runs (project, algorithm, created, id);
CREATE INDEX ix_runs_schedule_scheduled ON runs (schedule, scheduled);
CREATE INDEX ix_versions_pipeline_created_id ON versions (pipeline, created, id);
CREATE INDEX ix_settings_other ON settings (name, run) WHERE coalesce(number, text) IS NULL;
CREATE INDEX ix_settings_name_text_run ON settings (name, text, run);
CREATE INDEX ix_settings_name_number_run ON settings (name, number, run);
CREATE INDEX ix_tags_tag_run ON tags (tag, run);
CREATE INDEX ix_tasks_run_position ON tasks (run, position);
CREATE INDEX ix_tasks_reusable ON tasks (project, fingerprint, made);
CREATE INDEX ix_tasks_searched ON tasks (component, run, state, name, started, ended);
CREATE INDEX ix_summaries_name_last_low_high_run ON summaries (name, last, low, high, run);
CREATE INDEX ix_artifacts_digest ON artifacts (digest);
CREATE INDEX ix_artifacts_searched ON artifacts (task, rows, size, run);
CREATE INDEX ix_pins_run ON pins (run);
CREATE INDEX ix_promotions_run ON promotions (run);
CREATE INDEX ix_extras_baseline ON extras (baseline);
CREATE INDEX ix_extras_run ON extras (run);
COMMIT;
