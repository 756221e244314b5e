package postgres

// For tests: migrations that this program does not have.
var (
	MigrateFrom = migrate
	Migrations  = embedded
)
