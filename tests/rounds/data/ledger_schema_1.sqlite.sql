BEGIN TRANSACTION;
CREATE TABLE annotations (
	id INTEGER NOT NULL, 
	task_id INTEGER NOT NULL, 
	platform_task_id VARCHAR(500) NOT NULL, 
	platform_id VARCHAR(500) NOT NULL, 
	version INTEGER NOT NULL, 
	is_current BOOLEAN NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	annotator VARCHAR(200) NOT NULL, 
	label INTEGER, 
	lead_time_s FLOAT, 
	created_at DATETIME, 
	updated_at DATETIME, 
	content_hash VARCHAR(64) NOT NULL, 
	raw TEXT NOT NULL, 
	pulled_at DATETIME NOT NULL, 
	CONSTRAINT pk_annotations PRIMARY KEY (id), 
	CONSTRAINT uq_annotations_task_id_platform_id_version UNIQUE (task_id, platform_id, version), 
	CONSTRAINT fk_annotations_task_id FOREIGN KEY(task_id) REFERENCES tasks (id)
);
INSERT INTO "annotations" VALUES(1,12,'41e752ff/ccedfb1320e16625/["q3",11]','anna/ccedfb1320e16625/["q3",11]',1,1,'answered','anna',1,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a0546351994144d351ee8dd86cbb46c78d94933e2a34635e0f56133e3a997e6a','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q3\",11]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.200192');
INSERT INTO "annotations" VALUES(2,11,'41e752ff/ccedfb1320e16625/["q3",10]','anna/ccedfb1320e16625/["q3",10]',1,0,'answered','anna',0,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a55a5dba393eea052fbf2da33769ca2a1903973834d6fa7b5ebc60233a6e4089','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q3\",10]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204240');
INSERT INTO "annotations" VALUES(3,10,'41e752ff/ccedfb1320e16625/["q3",9]','anna/ccedfb1320e16625/["q3",9]',1,0,'answered','anna',1,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a0546351994144d351ee8dd86cbb46c78d94933e2a34635e0f56133e3a997e6a','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q3\",9]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204360');
INSERT INTO "annotations" VALUES(4,9,'41e752ff/ccedfb1320e16625/["q2",8]','anna/ccedfb1320e16625/["q2",8]',1,1,'answered','anna',0,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a55a5dba393eea052fbf2da33769ca2a1903973834d6fa7b5ebc60233a6e4089','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q2\",8]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204433');
INSERT INTO "annotations" VALUES(5,8,'41e752ff/ccedfb1320e16625/["q2",7]','anna/ccedfb1320e16625/["q2",7]',1,1,'answered','anna',1,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a0546351994144d351ee8dd86cbb46c78d94933e2a34635e0f56133e3a997e6a','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q2\",7]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204497');
INSERT INTO "annotations" VALUES(6,7,'41e752ff/ccedfb1320e16625/["q2",6]','anna/ccedfb1320e16625/["q2",6]',1,1,'answered','anna',0,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a55a5dba393eea052fbf2da33769ca2a1903973834d6fa7b5ebc60233a6e4089','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q2\",6]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204558');
INSERT INTO "annotations" VALUES(7,6,'41e752ff/ccedfb1320e16625/["q1",5]','anna/ccedfb1320e16625/["q1",5]',1,1,'answered','anna',1,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a0546351994144d351ee8dd86cbb46c78d94933e2a34635e0f56133e3a997e6a','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q1\",5]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204616');
INSERT INTO "annotations" VALUES(8,5,'41e752ff/ccedfb1320e16625/["q1",4]','anna/ccedfb1320e16625/["q1",4]',1,1,'answered','anna',0,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a55a5dba393eea052fbf2da33769ca2a1903973834d6fa7b5ebc60233a6e4089','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q1\",4]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204675');
INSERT INTO "annotations" VALUES(9,4,'41e752ff/ccedfb1320e16625/["q1",3]','anna/ccedfb1320e16625/["q1",3]',1,1,'answered','anna',1,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a0546351994144d351ee8dd86cbb46c78d94933e2a34635e0f56133e3a997e6a','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q1\",3]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204736');
INSERT INTO "annotations" VALUES(10,3,'41e752ff/ccedfb1320e16625/["q0",2]','anna/ccedfb1320e16625/["q0",2]',1,1,'answered','anna',0,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a55a5dba393eea052fbf2da33769ca2a1903973834d6fa7b5ebc60233a6e4089','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q0\",2]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204793');
INSERT INTO "annotations" VALUES(11,2,'41e752ff/ccedfb1320e16625/["q0",1]','anna/ccedfb1320e16625/["q0",1]',1,1,'answered','anna',1,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a0546351994144d351ee8dd86cbb46c78d94933e2a34635e0f56133e3a997e6a','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q0\",1]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204847');
INSERT INTO "annotations" VALUES(12,1,'41e752ff/ccedfb1320e16625/["q0",0]','anna/ccedfb1320e16625/["q0",0]',1,1,'answered','anna',0,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','a55a5dba393eea052fbf2da33769ca2a1903973834d6fa7b5ebc60233a6e4089','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q0\",0]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.204897');
INSERT INTO "annotations" VALUES(13,10,'41e752ff/ccedfb1320e16625/["q3",9]','anna/ccedfb1320e16625/["q3",9]',2,1,'skipped','anna',NULL,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','791b17267fc431003976707205693c340fe88ac9c2f3ca5d20b744aa8a37a585','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q3\",9]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": true}','2026-11-25 02:23:01.248835');
INSERT INTO "annotations" VALUES(14,11,'41e752ff/ccedfb1320e16625/["q3",10]','anna/ccedfb1320e16625/["q3",10]',2,1,'withdrawn','anna',NULL,NULL,'2026-11-25 02:23:01.184145','2026-11-25 02:23:01.184145','','{"completed_by": {"email": "anna"}, "created_at": "2026-11-25T02:23:01.184145+00:00", "id": "anna/ccedfb1320e16625/[\"q3\",10]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.184145+00:00", "was_cancelled": false}','2026-11-25 02:23:01.249386');
INSERT INTO "annotations" VALUES(15,20,'04816588/4ce5f1d652feae6c/["q2",107]','ben/4ce5f1d652feae6c/["q2",107]',1,1,'answered','ben',1,NULL,'2026-11-25 02:23:01.324479','2026-11-25 02:23:01.324479','4ee99be9327705bde19f186a6fe4f1f4d9e9e6582dce5f7ef44fbbc5f6bf9b7c','{"completed_by": {"email": "ben"}, "created_at": "2026-11-25T02:23:01.324479+00:00", "id": "ben/4ce5f1d652feae6c/[\"q2\",107]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.324479+00:00", "was_cancelled": false}','2026-11-25 02:23:01.327750');
INSERT INTO "annotations" VALUES(16,19,'04816588/4ce5f1d652feae6c/["q2",106]','ben/4ce5f1d652feae6c/["q2",106]',1,1,'answered','ben',0,NULL,'2026-11-25 02:23:01.324479','2026-11-25 02:23:01.324479','5a497d57868b35678f3df0ad627f4dd4e422b48141df359cb6a76b49c80e7b67','{"completed_by": {"email": "ben"}, "created_at": "2026-11-25T02:23:01.324479+00:00", "id": "ben/4ce5f1d652feae6c/[\"q2\",106]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["irrelevant"]}}], "updated_at": "2026-11-25T02:23:01.324479+00:00", "was_cancelled": false}','2026-11-25 02:23:01.327910');
INSERT INTO "annotations" VALUES(17,18,'04816588/4ce5f1d652feae6c/["q1",105]','ben/4ce5f1d652feae6c/["q1",105]',1,1,'answered','ben',1,NULL,'2026-11-25 02:23:01.324479','2026-11-25 02:23:01.324479','4ee99be9327705bde19f186a6fe4f1f4d9e9e6582dce5f7ef44fbbc5f6bf9b7c','{"completed_by": {"email": "ben"}, "created_at": "2026-11-25T02:23:01.324479+00:00", "id": "ben/4ce5f1d652feae6c/[\"q1\",105]", "result": [{"from_name": "label", "to_name": "shown_query", "type": "choices", "value": {"choices": ["relevant"]}}], "updated_at": "2026-11-25T02:23:01.324479+00:00", "was_cancelled": false}','2026-11-25 02:23:01.327982');
CREATE TABLE events (
	id INTEGER NOT NULL, 
	round_id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	detail JSON NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_round_id FOREIGN KEY(round_id) REFERENCES rounds (id)
);
INSERT INTO "events" VALUES(1,1,'2026-11-25 02:23:01.094641','planned','{"n_tasks": 12}');
INSERT INTO "events" VALUES(2,1,'2026-11-25 02:23:01.107721','project','{"project": "first"}');
INSERT INTO "events" VALUES(3,1,'2026-11-25 02:23:01.127811','sent','{"n_tasks": 12}');
INSERT INTO "events" VALUES(4,1,'2026-11-25 02:23:01.141143','pushed','{"n_tasks": 12}');
INSERT INTO "events" VALUES(5,1,'2026-11-25 02:23:01.220632','pulled','{"new": 12, "changed": 0, "withdrawn": 0}');
INSERT INTO "events" VALUES(6,1,'2026-11-25 02:23:01.270859','pulled','{"new": 0, "changed": 1, "withdrawn": 1}');
INSERT INTO "events" VALUES(7,1,'2026-11-25 02:23:01.291111','closed','{}');
INSERT INTO "events" VALUES(8,2,'2026-11-25 02:23:01.304410','planned','{"n_tasks": 8}');
INSERT INTO "events" VALUES(9,2,'2026-11-25 02:23:01.310142','project','{"project": "second"}');
INSERT INTO "events" VALUES(10,2,'2026-11-25 02:23:01.314567','sent','{"n_tasks": 8}');
INSERT INTO "events" VALUES(11,2,'2026-11-25 02:23:01.316939','pushed','{"n_tasks": 8}');
INSERT INTO "events" VALUES(12,2,'2026-11-25 02:23:01.331343','pulled','{"new": 3, "changed": 0, "withdrawn": 0}');
INSERT INTO "events" VALUES(13,3,'2026-11-25 02:23:01.336766','planned','{"n_tasks": 5}');
CREATE TABLE meta (
	name VARCHAR(40) NOT NULL, 
	value VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('schema_version','1');
CREATE TABLE rounds (
	id INTEGER NOT NULL, 
	uid VARCHAR(16) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	platform VARCHAR(40) NOT NULL, 
	project TEXT, 
	keys JSON NOT NULL, 
	dtypes JSON NOT NULL, 
	label_names JSON NOT NULL, 
	fields JSON NOT NULL, 
	instructions TEXT, 
	design JSON, 
	cursor VARCHAR(100), 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	CONSTRAINT pk_rounds PRIMARY KEY (id), 
	CONSTRAINT uq_rounds_uid UNIQUE (uid), 
	CONSTRAINT uq_rounds_name UNIQUE (name)
);
INSERT INTO "rounds" VALUES(1,'ccedfb1320e16625','first','a7e0d7ccb99ef4fa527ee307ee7fdf485beab29c182f31dc7b23bfddba6212bd','closed','files','first','["query", "item"]','["String", "Int64"]','["irrelevant", "relevant"]','[{"name": "query", "caption": "query", "is_key": true}, {"name": "item", "caption": "item", "is_key": true}]',NULL,'null',NULL,'2026-11-25 02:23:01.092475','2026-11-25 02:23:01.290846');
INSERT INTO "rounds" VALUES(2,'4ce5f1d652feae6c','second','cf6c3f49f899694341ea0b4405008934183966be18784cc2efb23d77503e1a12','collecting','files','second','["query", "item"]','["String", "Int64"]','["irrelevant", "relevant"]','[{"name": "query", "caption": "query", "is_key": true}, {"name": "item", "caption": "item", "is_key": true}]',NULL,'null',NULL,'2026-11-25 02:23:01.303177','2026-11-25 02:23:01.331510');
INSERT INTO "rounds" VALUES(3,'b9996c1511d5440a','third','23ebc38ab737fce494ad55bfa77b1b194fa88301a94976753fb2096c5a58dc1c','planned','files',NULL,'["query", "item"]','["String", "Int64"]','["irrelevant", "relevant"]','[{"name": "query", "caption": "query", "is_key": true}, {"name": "item", "caption": "item", "is_key": true}]',NULL,'null',NULL,'2026-11-25 02:23:01.336126','2026-11-25 02:23:01.336126');
CREATE TABLE tasks (
	id INTEGER NOT NULL, 
	round_id INTEGER NOT NULL, 
	example_key TEXT NOT NULL, 
	push_order INTEGER NOT NULL, 
	payload JSON NOT NULL, 
	payload_hash VARCHAR(64) NOT NULL, 
	inclusion_probability FLOAT NOT NULL, 
	stratum VARCHAR(40) NOT NULL, 
	score FLOAT, 
	rank INTEGER NOT NULL, 
	soft_label JSON, 
	model_version VARCHAR(200), 
	pre_annotated BOOLEAN NOT NULL, 
	platform_task_id VARCHAR(500), 
	CONSTRAINT pk_tasks PRIMARY KEY (id), 
	CONSTRAINT uq_tasks_round_id_example_key UNIQUE (round_id, example_key), 
	CONSTRAINT fk_tasks_round_id FOREIGN KEY(round_id) REFERENCES rounds (id)
);
INSERT INTO "tasks" VALUES(1,1,'["q0",0]',11,'{"query": "q0", "item": "0"}','6270d79f1178aec1e26fd054f6315fd97f492f9478155123426e09c50684344d',1.0,'informative',0.9,12,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q0",0]');
INSERT INTO "tasks" VALUES(2,1,'["q0",1]',10,'{"query": "q0", "item": "1"}','17265df9b10b95a9ba8a9cdb31f6a766c63104ae0d5da404422a0c525c3beab1',1.0,'informative',0.9,11,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q0",1]');
INSERT INTO "tasks" VALUES(3,1,'["q0",2]',9,'{"query": "q0", "item": "2"}','9be5ff8b00524457473f5a99997ccd18b078ba029e6c8363df7c0922546338fa',1.0,'informative',0.9,10,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q0",2]');
INSERT INTO "tasks" VALUES(4,1,'["q1",3]',8,'{"query": "q1", "item": "3"}','a2c64d41eb734078395012ff625ae204bae34ae68495f2385da37083cb7d27b1',1.0,'informative',0.9,9,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q1",3]');
INSERT INTO "tasks" VALUES(5,1,'["q1",4]',7,'{"query": "q1", "item": "4"}','3950f3eaaa743e54956b61b7f60ef478f13e5953fed9fa66e1c48564b720ab13',1.0,'informative',0.9,8,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q1",4]');
INSERT INTO "tasks" VALUES(6,1,'["q1",5]',6,'{"query": "q1", "item": "5"}','6df033054f71c95ed19078b32cd7018c8077cd9eb8819603687ba88c477631e0',1.0,'informative',0.9,7,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q1",5]');
INSERT INTO "tasks" VALUES(7,1,'["q2",6]',5,'{"query": "q2", "item": "6"}','b9bd5f1d40a82a5a65e696da11f031c0eb8c9ec4ce77ac9699dde4f8a679ab61',1.0,'informative',0.9,6,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q2",6]');
INSERT INTO "tasks" VALUES(8,1,'["q2",7]',4,'{"query": "q2", "item": "7"}','a821710bca5ec3c0bbad2583c33370063de0366b282e54b3ce41f0caf77cf1cc',1.0,'informative',0.9,5,'[0.3, 0.7]','run-1',1,'41e752ff/ccedfb1320e16625/["q2",7]');
INSERT INTO "tasks" VALUES(9,1,'["q2",8]',3,'{"query": "q2", "item": "8"}','7ab31e343577b2d5085f8e6c8490304d40ad5bc588a66a88730b46e1dc23fc5a',0.25,'audit',0.9,4,'[0.3, 0.7]','run-1',0,'41e752ff/ccedfb1320e16625/["q2",8]');
INSERT INTO "tasks" VALUES(10,1,'["q3",9]',2,'{"query": "q3", "item": "9"}','b157d6627fdbdc701b2871590f273bac57aa580c94a6fab5998c9ad25d2e9d67',0.25,'audit',0.9,3,'[0.3, 0.7]','run-1',0,'41e752ff/ccedfb1320e16625/["q3",9]');
INSERT INTO "tasks" VALUES(11,1,'["q3",10]',1,'{"query": "q3", "item": "10"}','dfadb7cb50d57db35e47652a1d461b7ce334923f02f8616898a47b435b794076',0.25,'audit',0.9,2,'[0.3, 0.7]','run-1',0,'41e752ff/ccedfb1320e16625/["q3",10]');
INSERT INTO "tasks" VALUES(12,1,'["q3",11]',0,'{"query": "q3", "item": "11"}','48620f604f1845128662c474acc30d1759c978c4b0f1cc8e4cfeeb36e48e3fc3',0.25,'audit',0.9,1,'[0.3, 0.7]','run-1',0,'41e752ff/ccedfb1320e16625/["q3",11]');
INSERT INTO "tasks" VALUES(13,2,'["q0",100]',7,'{"query": "q0", "item": "100"}','53b6328c9eb2c3d5910bb3596e9bbecde4df170f4e44a52c3133ee7cdadbb942',1.0,'informative',0.9,8,'[0.3, 0.7]',NULL,1,'04816588/4ce5f1d652feae6c/["q0",100]');
INSERT INTO "tasks" VALUES(14,2,'["q0",101]',6,'{"query": "q0", "item": "101"}','e09f206ce91691f1655128be986ee3ee2dc5975667eb5c5c8fdf2c2bcca20530',1.0,'informative',0.9,7,'[0.3, 0.7]',NULL,1,'04816588/4ce5f1d652feae6c/["q0",101]');
INSERT INTO "tasks" VALUES(15,2,'["q0",102]',5,'{"query": "q0", "item": "102"}','c60b270158d984f80211edcce0b26879bedbce21fc8e13a7f1058b111ad7c254',1.0,'informative',0.9,6,'[0.3, 0.7]',NULL,1,'04816588/4ce5f1d652feae6c/["q0",102]');
INSERT INTO "tasks" VALUES(16,2,'["q1",103]',4,'{"query": "q1", "item": "103"}','8363577ba3c1253dff4c1ac7403eecc5c835643c80b4da5113d1fbae92319509',1.0,'informative',0.9,5,'[0.3, 0.7]',NULL,1,'04816588/4ce5f1d652feae6c/["q1",103]');
INSERT INTO "tasks" VALUES(17,2,'["q1",104]',3,'{"query": "q1", "item": "104"}','11bbf0f2f67f77c09e872ecc16b1530518fecb6866db7298829899d9f257fff5',0.25,'audit',0.9,4,'[0.3, 0.7]',NULL,0,'04816588/4ce5f1d652feae6c/["q1",104]');
INSERT INTO "tasks" VALUES(18,2,'["q1",105]',2,'{"query": "q1", "item": "105"}','6f03209939b95d4ce454b71600a9d9378b76d5c68dcc0c8c50f43df4f25baafa',0.25,'audit',0.9,3,'[0.3, 0.7]',NULL,0,'04816588/4ce5f1d652feae6c/["q1",105]');
INSERT INTO "tasks" VALUES(19,2,'["q2",106]',1,'{"query": "q2", "item": "106"}','518b4d85e52bce63ef0d11e02331424ef913ce824c1e2a8703a6741b64bcf71a',0.25,'audit',0.9,2,'[0.3, 0.7]',NULL,0,'04816588/4ce5f1d652feae6c/["q2",106]');
INSERT INTO "tasks" VALUES(20,2,'["q2",107]',0,'{"query": "q2", "item": "107"}','dcdbc85aa0c9c78ab594967158310b22a9eaddc0002dd8a18aa4e89390dce51b',0.25,'audit',0.9,1,'[0.3, 0.7]',NULL,0,'04816588/4ce5f1d652feae6c/["q2",107]');
INSERT INTO "tasks" VALUES(21,3,'["q0",200]',4,'{"query": "q0", "item": "200"}','ac75478da18e45bd5484be3922099146d28da689f6ac8519935ca2f3186f51c6',1.0,'informative',0.9,5,'[0.3, 0.7]',NULL,1,NULL);
INSERT INTO "tasks" VALUES(22,3,'["q0",201]',3,'{"query": "q0", "item": "201"}','2b5987fa7dfb6349b85979708079710b3a63f61ddf6ebbfe7293c2febe8a1bda',0.25,'audit',0.9,4,'[0.3, 0.7]',NULL,0,NULL);
INSERT INTO "tasks" VALUES(23,3,'["q0",202]',2,'{"query": "q0", "item": "202"}','38c2dd691dc9d347b7c2a01f52a21d6bf30ab77d81eb5f515f2facc58550a98d',0.25,'audit',0.9,3,'[0.3, 0.7]',NULL,0,NULL);
INSERT INTO "tasks" VALUES(24,3,'["q1",203]',1,'{"query": "q1", "item": "203"}','d5b2f42ea1768c9d51f6d65aba979777f0f841860f3e5ef2dc7fbeae2c151461',0.25,'audit',0.9,2,'[0.3, 0.7]',NULL,0,NULL);
INSERT INTO "tasks" VALUES(25,3,'["q1",204]',0,'{"query": "q1", "item": "204"}','248b663023bb5f2e5d22f1b6e8bd2b3c0d56bb3b71802b9c6e70f72318536654',0.25,'audit',0.9,1,'[0.3, 0.7]',NULL,0,NULL);
CREATE INDEX ix_rounds_fingerprint ON rounds (fingerprint);
CREATE INDEX ix_tasks_round_id_push_order ON tasks (round_id, push_order);
CREATE INDEX ix_events_round_id ON events (round_id);
COMMIT;
