CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.artifacts (
    run text NOT NULL,
    task text NOT NULL,
    name text NOT NULL,
    "position" integer NOT NULL,
    type text NOT NULL,
    digest text NOT NULL,
    filename text NOT NULL,
    metadata text NOT NULL,
    size bigint NOT NULL,
    uri text DEFAULT ''::text NOT NULL,
    rows bigint
);
CREATE TABLE public.attempts (
    run text NOT NULL,
    task text NOT NULL,
    serial integer NOT NULL,
    number integer NOT NULL,
    state text NOT NULL,
    how text NOT NULL,
    why text NOT NULL,
    message text NOT NULL,
    directory text NOT NULL,
    pid bigint,
    pid_start bigint,
    peak_memory bigint,
    pid_boot text,
    queued double precision NOT NULL,
    started double precision NOT NULL,
    ended double precision,
    cpu_seconds double precision,
    exit_code integer
);
CREATE TABLE public.bundles (
    digest text NOT NULL,
    files text NOT NULL,
    size bigint NOT NULL
);
CREATE TABLE public.closures (
    digest text NOT NULL,
    definitions text NOT NULL
);
CREATE TABLE public.collected (
    run text NOT NULL,
    rule text NOT NULL,
    "time" double precision NOT NULL
);
CREATE TABLE public.commits (
    project text NOT NULL,
    sha text NOT NULL,
    parent text NOT NULL,
    committed double precision NOT NULL
);
CREATE TABLE public.configmaps (
    project text NOT NULL,
    name text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    updated double precision NOT NULL
);
CREATE TABLE public.environments (
    digest text NOT NULL,
    pins text NOT NULL
);
CREATE TABLE public.experiments (
    id text NOT NULL,
    project text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    created double precision NOT NULL,
    last_run double precision,
    archived double precision
);
CREATE TABLE public.extras (
    head text NOT NULL,
    baseline text NOT NULL,
    purpose text NOT NULL,
    run text NOT NULL
);
CREATE TABLE public.facts (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.parameters (
    run text NOT NULL,
    task text NOT NULL,
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.pins (
    project text NOT NULL,
    algorithm text NOT NULL,
    preset text NOT NULL,
    branch text NOT NULL,
    run text NOT NULL,
    author text NOT NULL,
    reason text NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.pipelines (
    id text NOT NULL,
    project text NOT NULL,
    name text NOT NULL,
    display_name text NOT NULL,
    description text NOT NULL,
    tags text NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.points (
    run text NOT NULL,
    name text NOT NULL,
    task text NOT NULL,
    serial integer NOT NULL,
    "position" bigint NOT NULL,
    ordinal integer NOT NULL,
    step bigint,
    value double precision,
    "time" double precision NOT NULL
);
CREATE TABLE public.projects (
    name text NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.promotions (
    project text NOT NULL,
    algorithm text NOT NULL,
    alias text NOT NULL,
    serial integer NOT NULL,
    run text NOT NULL,
    restored integer,
    author text NOT NULL,
    reason text NOT NULL,
    gates text NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.readings (
    run text NOT NULL,
    task text NOT NULL,
    serial integer NOT NULL,
    "position" bigint NOT NULL
);
CREATE TABLE public.runs (
    id text NOT NULL,
    project text NOT NULL,
    algorithm text NOT NULL,
    state text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    preset text NOT NULL,
    metrics text NOT NULL,
    git_branch text NOT NULL,
    git_commit text NOT NULL,
    git_author text NOT NULL,
    git_message text NOT NULL,
    git_diff text NOT NULL,
    git_committed double precision NOT NULL,
    created double precision NOT NULL,
    git_dirty boolean NOT NULL,
    refresh boolean NOT NULL,
    bundle text NOT NULL,
    environment text NOT NULL,
    python text NOT NULL,
    implementation text NOT NULL,
    platform text NOT NULL,
    executable text NOT NULL,
    lock text NOT NULL,
    lock_digest text NOT NULL,
    host_name text NOT NULL,
    spec text NOT NULL,
    version text NOT NULL,
    trigger text NOT NULL,
    tokens text NOT NULL,
    message text NOT NULL,
    note text NOT NULL,
    host text,
    lease_host text,
    lease_boot text,
    started double precision,
    ended double precision,
    lease_renewed double precision,
    cancel_requested double precision,
    epoch integer NOT NULL,
    lease_pid bigint,
    lease_start bigint,
    environments text DEFAULT ''::text NOT NULL,
    sweep text DEFAULT ''::text NOT NULL,
    origin text DEFAULT ''::text NOT NULL,
    ticket text DEFAULT ''::text NOT NULL,
    experiment text DEFAULT ''::text NOT NULL,
    pipeline text DEFAULT ''::text NOT NULL,
    pipeline_version text DEFAULT ''::text NOT NULL,
    schedule text DEFAULT ''::text NOT NULL,
    queue text DEFAULT ''::text NOT NULL,
    owner text DEFAULT ''::text NOT NULL,
    root text DEFAULT ''::text NOT NULL,
    service_account text DEFAULT ''::text NOT NULL,
    states text DEFAULT ''::text NOT NULL,
    notices text DEFAULT ''::text NOT NULL,
    scheduled double precision,
    archived double precision,
    fork text DEFAULT ''::text NOT NULL
);
CREATE TABLE public.schedules (
    id text NOT NULL,
    project text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    experiment text NOT NULL,
    pipeline text NOT NULL,
    pipeline_version text NOT NULL,
    spec text NOT NULL,
    parameters text NOT NULL,
    root text NOT NULL,
    service_account text NOT NULL,
    trigger text NOT NULL,
    max_concurrency integer NOT NULL,
    catchup boolean NOT NULL,
    enabled boolean NOT NULL,
    created double precision NOT NULL,
    updated double precision NOT NULL,
    next double precision,
    last double precision,
    count integer NOT NULL
);
CREATE TABLE public.secrets (
    project text NOT NULL,
    name text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    version text NOT NULL,
    updated double precision NOT NULL
);
CREATE TABLE public.servers (
    id text NOT NULL,
    host text NOT NULL,
    boot text NOT NULL,
    address text NOT NULL,
    pid bigint NOT NULL,
    start bigint NOT NULL,
    started double precision NOT NULL,
    seen double precision NOT NULL
);
CREATE TABLE public.settings (
    run text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    source text NOT NULL,
    origin text NOT NULL,
    "position" integer NOT NULL,
    number double precision,
    text text
);
CREATE TABLE public.summaries (
    run text NOT NULL,
    name text NOT NULL,
    task text NOT NULL,
    serial integer NOT NULL,
    points bigint NOT NULL,
    step bigint,
    last double precision,
    low double precision,
    high double precision,
    "time" double precision NOT NULL
);
CREATE TABLE public.sweeps (
    id text NOT NULL,
    project text NOT NULL,
    algorithm text NOT NULL,
    plan text NOT NULL,
    note text NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.tags (
    run text NOT NULL,
    tag text NOT NULL
);
CREATE TABLE public.tasks (
    run text NOT NULL,
    name text NOT NULL,
    project text NOT NULL,
    state text NOT NULL,
    executor text NOT NULL,
    component text NOT NULL,
    needs text NOT NULL,
    message text NOT NULL,
    "position" integer NOT NULL,
    fingerprint text,
    parts text,
    cached_from text,
    cached_made double precision,
    made double precision,
    started double precision,
    ended double precision
);
CREATE TABLE public.texts (
    run text NOT NULL,
    text text NOT NULL
);
CREATE TABLE public.ticks (
    schedule text NOT NULL,
    run text NOT NULL,
    moment double precision NOT NULL
);
CREATE TABLE public.tokens (
    name text NOT NULL,
    role text NOT NULL,
    digest text NOT NULL,
    created double precision NOT NULL,
    expires double precision,
    used double precision
);
CREATE TABLE public.versions (
    id text NOT NULL,
    pipeline text NOT NULL,
    name text NOT NULL,
    display_name text NOT NULL,
    description text NOT NULL,
    tags text NOT NULL,
    spec text NOT NULL,
    code_source_url text NOT NULL,
    package_url text NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.views (
    project text NOT NULL,
    name text NOT NULL,
    query text NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.volumes (
    project text NOT NULL,
    name text NOT NULL,
    size text NOT NULL,
    access_modes text NOT NULL,
    storage_class text NOT NULL,
    path text NOT NULL,
    run text NOT NULL,
    created double precision NOT NULL
);
INSERT INTO public.alembic_version VALUES ('0004');
INSERT INTO public.artifacts VALUES ('full00000000', 'fetch-dataset', 'output', 0, 'system.Dataset', 'sha256:abababababababababababababababababababababababababababababababab', 'output.parquet', '{"format":"parquet","rows":569}', 10, '', 569);
INSERT INTO public.attempts VALUES ('full00000000', 'fit', 1, 1, 'RUNNING', 'fork', '', '', '', NULL, NULL, NULL, NULL, 1, 2, NULL, NULL, NULL);
INSERT INTO public.bundles VALUES ('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', '{"algorithms/tumour.py":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', 12);
INSERT INTO public.closures VALUES ('cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', '{"tumour:fit":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"}');
INSERT INTO public.collected VALUES ('full00000000', '--keep-last 1', 3000);
INSERT INTO public.commits VALUES ('clinic', 'cccccccccccccccccccccccccccccccccccccccc', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 3000);
INSERT INTO public.commits VALUES ('clinic', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 2000);
INSERT INTO public.commits VALUES ('clinic', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '', 1000);
INSERT INTO public.configmaps VALUES ('clinic', 'tuning', 'depth', '3', 1700);
INSERT INTO public.environments VALUES ('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', '[{"kind":"Pin","name":"numpy","version":"2.0","hashes":["sha256:1"]},{"kind":"Pin","name":"pandas","version":"2.2","hashes":[]}]');
INSERT INTO public.experiments VALUES ('exp000000000', 'clinic', 'nightly', 'each night', 1500, 2100, NULL);
INSERT INTO public.extras VALUES ('fork00000000', 'full00000000', 'rescore', 'extra0000000');
INSERT INTO public.facts VALUES ('time-zone', 'Europe/Vienna');
INSERT INTO public.parameters VALUES ('full00000000', 'fetch-dataset', 'n', '3');
INSERT INTO public.pins VALUES ('clinic', 'tumour', 'full', '', 'full00000000', 'anna', 'the good one', 2400);
INSERT INTO public.pipelines VALUES ('pipe00000000', 'clinic', 'tumour', 'Tumour', '', '{"team":"a"}', 1400);
INSERT INTO public.points VALUES ('full00000000', 'auc', 'fit', 1, 1, 0, NULL, 0.9, 1);
INSERT INTO public.projects VALUES ('clinic', 1000.25);
INSERT INTO public.promotions VALUES ('clinic', 'tumour', 'production', 1, 'full00000000', NULL, 'anna', 'ready', '{"kind":"Ruling","baseline":"bare00000000","found":"","verdict":"better","gate":"passed","gates":[{"kind":"Ruled","metric":"auc","gate":"minimum","outcome":"passed","limit":0.8,"value":0.9,"reason":""}],"forced":false,"dirty":false}', 2500);
INSERT INTO public.readings VALUES ('full00000000', 'fit', 1, 1);
INSERT INTO public.runs VALUES ('bare00000000', 'clinic', 'tumour', 'PENDING', '', '', 'full', '[]', '', '', '', '', '', 0, 2000, false, false, '', '', '', 'cpython', '', '', '', '', '', '', '', 'cli', '{}', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '', '', '', '', '', '', '', '', '', '', '', '', '', '', NULL, NULL, '');
INSERT INTO public.runs VALUES ('full00000000', 'clinic', 'tumour', 'FAILED', 'a name', 'described', 'toy', '[{"kind":"MetricSpec","name":"auc","goal":"max","primary":true,"tolerance":0.005,"minimum":null,"max_drop":null,"of":""}]', 'feature/IA-1742-doc-type', 'cccccccccccccccccccccccccccccccccccccccc', 'A', 'Widen the margin', 'sha256:dd', 5.5, 1000.25, true, true, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', '3.11.7', 'cpython', 'linux', '/usr/bin/python3', 'uv.lock', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 'here', 'sha256:ee', 'v1', 'ci', '{"exec-fetch":"2026-01-01"}', 'fit: ValueError: boom', 'noted', '{"kind":"Host","name":"here","boot":"boot","cpus":2,"memory":1099511627776,"gpus":0,"system":""}', NULL, NULL, 1001, 1004, NULL, NULL, 1, NULL, NULL, '{"torch":{"kind":"Environment","digest":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","python":"3.11.7","implementation":"cpython","platform":"linux","executable":"/venv/bin/python","lock":"uv.lock","lock_digest":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}}', 'sweep0000000', 'bare00000000', 'IA-1742', '', '', '', '', '', '', '', '', '', '', NULL, NULL, '');
INSERT INTO public.runs VALUES ('serv00000000', 'clinic', 'tumour', 'PENDING', 'nightly 1', '', 'full', '[]', '', '', '', '', '', 0, 2100, false, false, '', '', '', 'cpython', '', '', '', '', '', '', '', 'schedule', '{}', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '', '', '', '', 'exp000000000', 'pipe00000000', 'vers00000000', 'sched0000000', 'server', 'anna', 'minio://x', 'runner', '', '["its volume is a directory here"]', 2100, NULL, '');
INSERT INTO public.runs VALUES ('fork00000000', 'clinic', 'tumour', 'PENDING', '', '', 'full', '[]', 'feature/IA-9-x', 'dddddddddddddddddddddddddddddddddddddddd', 'anna', '', '', 0, 2200, false, false, '', '', '', 'cpython', '', '', '', '', '', '', '', 'cli', '{}', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '', '', '', '', '', '', '', '', '', '', '', '', '', '', NULL, NULL, '{"kind":"Fork","target":"main","start":"merge base","commit":"cccccccccccccccccccccccccccccccccccccccc","shallow":false,"merged":[],"against":""}');
INSERT INTO public.runs VALUES ('extra0000000', 'clinic', 'tumour', 'PENDING', '', '', 'full', '[]', '', '', '', '', '', 0, 2300, false, false, '', '', '', 'cpython', '', '', '', '', '', '', '', 'comparison', '{}', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '', '', 'fork00000000', '', '', '', '', '', '', '', '', '', '', '', NULL, NULL, '');
INSERT INTO public.schedules VALUES ('sched0000000', 'clinic', 'nightly', '', 'exp000000000', 'pipe00000000', 'vers00000000', '', '{"C":0.1}', '', '', '{"kind":"Cron","expression":"0 0 2 * * *"}', 1, false, true, 1600, 1600, 2200, 2100, 1);
INSERT INTO public.secrets VALUES ('clinic', 'db', 'password', 'sealed', '1', 1700);
INSERT INTO public.servers VALUES ('server000000', 'here', 'boot', 'http://127.0.0.1:8080', 1, 2, 1900, 1900);
INSERT INTO public.settings VALUES ('full00000000', 'C', '0.1', 'preset', 'toy', 1, 0.1, NULL);
INSERT INTO public.settings VALUES ('full00000000', 'deep.flag', 'true', 'default', '', 3, 1, NULL);
INSERT INTO public.settings VALUES ('full00000000', 'folds', '[1,2]', 'file', 'a.toml', 2, NULL, NULL);
INSERT INTO public.settings VALUES ('full00000000', 'limit', 'null', 'default', '', 4, NULL, NULL);
INSERT INTO public.settings VALUES ('full00000000', 'penalty', '"l1"', 'override', '', 0, NULL, 'l1');
INSERT INTO public.summaries VALUES ('full00000000', 'auc', 'fit', 1, 1, NULL, 0.9, 0.9, 0.9, 1);
INSERT INTO public.sweeps VALUES ('sweep0000000', 'clinic', 'tumour', '{"points":[{"C":0.1}]}', 'wide', 900);
INSERT INTO public.tags VALUES ('full00000000', 'b');
INSERT INTO public.tags VALUES ('full00000000', 'champion');
INSERT INTO public.tasks VALUES ('full00000000', 'fetch-dataset', 'clinic', 'SUCCEEDED', '', 'fetch_dataset', '[]', '', 0, 'f1', NULL, NULL, NULL, 1002, NULL, 1002);
INSERT INTO public.tasks VALUES ('full00000000', 'fit', 'clinic', 'FAILED', '', 'fit', '["fetch-dataset"]', 'boom', 1, NULL, NULL, NULL, NULL, NULL, NULL, 1003);
INSERT INTO public.texts VALUES ('bare00000000', '');
INSERT INTO public.texts VALUES ('full00000000', 'a name
noted
widen the margin
fit: valueerror: boom
ia-1742');
INSERT INTO public.texts VALUES ('serv00000000', 'nightly 1');
INSERT INTO public.texts VALUES ('fork00000000', '');
INSERT INTO public.texts VALUES ('extra0000000', '');
INSERT INTO public.ticks VALUES ('sched0000000', 'serv00000000', 2100);
INSERT INTO public.tokens VALUES ('anna', 'run', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 1700, NULL, 1800);
INSERT INTO public.versions VALUES ('vers00000000', 'pipe00000000', 'v1', 'v1', '', '{}', 'sha256:ee', '', '', 1401);
INSERT INTO public.views VALUES ('clinic', 'bad ones', 'state=FAILED', 950.5);
INSERT INTO public.volumes VALUES ('clinic', 'scans', '5Gi', '["ReadWriteOnce"]', '', 'volumes/scans', '', 1700);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.artifacts
    ADD CONSTRAINT pk_artifacts PRIMARY KEY (run, task, name, "position");
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT pk_attempts PRIMARY KEY (run, task, serial);
ALTER TABLE ONLY public.bundles
    ADD CONSTRAINT pk_bundles PRIMARY KEY (digest);
ALTER TABLE ONLY public.closures
    ADD CONSTRAINT pk_closures PRIMARY KEY (digest);
ALTER TABLE ONLY public.collected
    ADD CONSTRAINT pk_collected PRIMARY KEY (run);
ALTER TABLE ONLY public.commits
    ADD CONSTRAINT pk_commits PRIMARY KEY (project, sha);
ALTER TABLE ONLY public.configmaps
    ADD CONSTRAINT pk_configmaps PRIMARY KEY (project, name, key);
ALTER TABLE ONLY public.environments
    ADD CONSTRAINT pk_environments PRIMARY KEY (digest);
ALTER TABLE ONLY public.experiments
    ADD CONSTRAINT pk_experiments PRIMARY KEY (id);
ALTER TABLE ONLY public.extras
    ADD CONSTRAINT pk_extras PRIMARY KEY (head, baseline, purpose);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT pk_facts PRIMARY KEY (name);
ALTER TABLE ONLY public.parameters
    ADD CONSTRAINT pk_parameters PRIMARY KEY (run, task, name);
ALTER TABLE ONLY public.pins
    ADD CONSTRAINT pk_pins PRIMARY KEY (project, algorithm, preset, branch);
ALTER TABLE ONLY public.pipelines
    ADD CONSTRAINT pk_pipelines PRIMARY KEY (id);
ALTER TABLE ONLY public.points
    ADD CONSTRAINT pk_points PRIMARY KEY (run, name, task, serial, "position", ordinal);
ALTER TABLE ONLY public.projects
    ADD CONSTRAINT pk_projects PRIMARY KEY (name);
ALTER TABLE ONLY public.promotions
    ADD CONSTRAINT pk_promotions PRIMARY KEY (project, algorithm, alias, serial);
ALTER TABLE ONLY public.readings
    ADD CONSTRAINT pk_readings PRIMARY KEY (run, task, serial);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT pk_runs PRIMARY KEY (id);
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT pk_schedules PRIMARY KEY (id);
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT pk_secrets PRIMARY KEY (project, name, key);
ALTER TABLE ONLY public.servers
    ADD CONSTRAINT pk_servers PRIMARY KEY (id);
ALTER TABLE ONLY public.settings
    ADD CONSTRAINT pk_settings PRIMARY KEY (run, name);
ALTER TABLE ONLY public.summaries
    ADD CONSTRAINT pk_summaries PRIMARY KEY (run, name, task);
ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT pk_sweeps PRIMARY KEY (id);
ALTER TABLE ONLY public.tags
    ADD CONSTRAINT pk_tags PRIMARY KEY (run, tag);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT pk_tasks PRIMARY KEY (run, name);
ALTER TABLE ONLY public.texts
    ADD CONSTRAINT pk_texts PRIMARY KEY (run);
ALTER TABLE ONLY public.ticks
    ADD CONSTRAINT pk_ticks PRIMARY KEY (schedule, moment);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT pk_tokens PRIMARY KEY (name);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT pk_versions PRIMARY KEY (id);
ALTER TABLE ONLY public.views
    ADD CONSTRAINT pk_views PRIMARY KEY (project, name);
ALTER TABLE ONLY public.volumes
    ADD CONSTRAINT pk_volumes PRIMARY KEY (project, name);
ALTER TABLE ONLY public.experiments
    ADD CONSTRAINT uq_experiments_name UNIQUE (name);
ALTER TABLE ONLY public.pipelines
    ADD CONSTRAINT uq_pipelines_name UNIQUE (name);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT uq_tokens_digest UNIQUE (digest);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT uq_versions_pipeline_name UNIQUE (pipeline, name);
CREATE INDEX ix_artifacts_digest ON public.artifacts USING btree (digest);
CREATE INDEX ix_artifacts_searched ON public.artifacts USING btree (task, rows, size, run);
CREATE INDEX ix_experiments_created_id ON public.experiments USING btree (created, id);
CREATE INDEX ix_extras_baseline ON public.extras USING btree (baseline);
CREATE INDEX ix_extras_run ON public.extras USING btree (run);
CREATE INDEX ix_pins_run ON public.pins USING btree (run);
CREATE INDEX ix_pipelines_created_id ON public.pipelines USING btree (created, id);
CREATE INDEX ix_promotions_run ON public.promotions USING btree (run);
CREATE INDEX ix_runs_created_id ON public.runs USING btree (created, id);
CREATE INDEX ix_runs_experiment_created_id ON public.runs USING btree (experiment, created, id);
CREATE INDEX ix_runs_git_branch_hash ON public.runs USING hash (git_branch);
CREATE INDEX ix_runs_git_commit ON public.runs USING btree (git_commit);
CREATE INDEX ix_runs_project_algorithm_created_id ON public.runs USING btree (project, algorithm, created, id);
CREATE INDEX ix_runs_queue_state ON public.runs USING btree (queue, state);
CREATE INDEX ix_runs_schedule_scheduled ON public.runs USING btree (schedule, scheduled);
CREATE INDEX ix_runs_sweep ON public.runs USING btree (sweep);
CREATE INDEX ix_runs_ticket_hash ON public.runs USING hash (ticket);
CREATE INDEX ix_schedules_created_id ON public.schedules USING btree (created, id);
CREATE INDEX ix_schedules_enabled_next ON public.schedules USING btree (enabled, next);
CREATE INDEX ix_settings_name_number_run ON public.settings USING btree (name, number, run);
CREATE INDEX ix_settings_name_short_run ON public.settings USING btree (name, text, run) WHERE (length(text) <= 200);
CREATE INDEX ix_settings_other ON public.settings USING btree (name, run) WHERE ((number IS NULL) AND ((length(text) <= 200) IS NOT TRUE));
CREATE INDEX ix_summaries_name_last_low_high_run ON public.summaries USING btree (name, last, low, high, run);
CREATE INDEX ix_tags_tag_run ON public.tags USING btree (tag, run);
CREATE INDEX ix_tasks_reusable ON public.tasks USING btree (project, fingerprint, made);
CREATE INDEX ix_tasks_run_position ON public.tasks USING btree (run, "position");
CREATE INDEX ix_tasks_searched ON public.tasks USING btree (component, run, state, name, started, ended);
CREATE INDEX ix_versions_pipeline_created_id ON public.versions USING btree (pipeline, created, id);
ALTER TABLE ONLY public.artifacts
    ADD CONSTRAINT fk_artifacts_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT fk_attempts_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.collected
    ADD CONSTRAINT fk_collected_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.extras
    ADD CONSTRAINT fk_extras_baseline FOREIGN KEY (baseline) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.extras
    ADD CONSTRAINT fk_extras_head FOREIGN KEY (head) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.extras
    ADD CONSTRAINT fk_extras_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.parameters
    ADD CONSTRAINT fk_parameters_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.pins
    ADD CONSTRAINT fk_pins_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.points
    ADD CONSTRAINT fk_points_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.promotions
    ADD CONSTRAINT fk_promotions_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.readings
    ADD CONSTRAINT fk_readings_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT fk_runs_project FOREIGN KEY (project) REFERENCES public.projects(name);
ALTER TABLE ONLY public.settings
    ADD CONSTRAINT fk_settings_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.summaries
    ADD CONSTRAINT fk_summaries_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT fk_sweeps_project FOREIGN KEY (project) REFERENCES public.projects(name);
ALTER TABLE ONLY public.tags
    ADD CONSTRAINT fk_tags_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT fk_tasks_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.texts
    ADD CONSTRAINT fk_texts_run FOREIGN KEY (run) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.ticks
    ADD CONSTRAINT fk_ticks_schedule FOREIGN KEY (schedule) REFERENCES public.schedules(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT fk_versions_pipeline FOREIGN KEY (pipeline) REFERENCES public.pipelines(id) ON DELETE CASCADE;
