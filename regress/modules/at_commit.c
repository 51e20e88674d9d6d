/*
 * A module that runs SQL when a transaction or subtransaction is about to commit or be prepared, as modules that keep
 * summaries do. NAME is its name: the settings NAME.at_commit and NAME.at_subcommit are what it runs.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

void _PG_init(void);

#define STRING(name) #name
#define SETTING(name, rest) STRING(name) rest

static char *at_commit;
static char *at_subcommit;
static bool running = false;

static void
run(const char *sql)
{
	if (running || sql == NULL || *sql == '\0')
		return;
	running = true;
	PG_TRY();
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(sql, false, 0) < 0)
			elog(ERROR, "%s could not run \"%s\"", STRING(NAME), sql);
		SPI_finish();
		PopActiveSnapshot();
	}
	PG_FINALLY();
	{
		running = false;
	}
	PG_END_TRY();
}

static void
transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		run(at_commit);
}

static void
subtransaction_event(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_PRE_COMMIT_SUB)
		run(at_subcommit);
}

void
_PG_init(void)
{
	DefineCustomStringVariable(SETTING(NAME, ".at_commit"), "SQL to run before a transaction commits", NULL,
							   &at_commit, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(SETTING(NAME, ".at_subcommit"), "SQL to run before a subtransaction commits", NULL,
							   &at_subcommit, "", PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(transaction_event, NULL);
	RegisterSubXactCallback(subtransaction_event, NULL);
}
