# Targets are short; logic lives in Go. `make help` lists them.
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GREMLINS := go run github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
VALE := go run github.com/vale-cli/vale/v3/cmd/vale@v3.21.0
# Decisions and lab notebooks are history; the other documents are checked.
PROSE := README.md SECURITY.md CONTRIBUTING.md CHANGELOG.md $(wildcard docs/*.md docs/*/*.md)
FUZZTIME ?= 10s
BROKERS ?= 3
# The packages with budgets in testdata/costs.json.
GUARDED := ./ingress ./ingress/route ./ingress/publish ./processors ./processors/split ./processors/history ./processors/partition ./schemas ./schemas/event
# The tests of make test-long, by their call of long.Test.
LONG_FILES = $(shell grep -rl --include='*_test.go' 'long\.Test(t)' .)
LONG = $(shell grep -h -B 1 'long\.Test(t)' $(LONG_FILES) | sed -n 's/^func \(Test[A-Za-z0-9]*\).*/\1/p')
# The packages of make mutation: without effects, and with tests that end in seconds.
MUTATED := processors/account processors/contacts processors/deferred processors/directory processors/history processors/identity processors/dedup \
	processors/media processors/people ingress/route schemas/event sinks/merge

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the binary
	go build -o coexstream .

.PHONY: up
up: build ## run everything in one process, data in ./data
	./coexstream up

.PHONY: test
test: ## run all tests, the end-to-end ones on the embedded broker included; those that wait for a broker wait beside each other
	GOGC=400 go test -ldflags=-w -parallel 8 -timeout 20m ./... # GOGC: a fifth less CPU time than with the default; the tests of the binary run it without. -w: links in two thirds of the time

.PHONY: test-long
test-long: ## the tests that `make test` leaves out because they take long (internal/testing/long)
	TEST_LONG=1 GOGC=400 go test -ldflags=-w -count=1 -parallel 4 -timeout 20m -run "^($$(echo $(LONG) | tr ' ' '|'))$$" $(sort $(dir $(LONG_FILES)))

.PHONY: race
race: ## run the tests with the race detector
	go test -race -short ./...

.PHONY: lint
lint: prose ## gofmt, go vet (also of Google Cloud's build tag), golangci-lint, make prose
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-clean:"; gofmt -l .; exit 1; }
	go vet ./...
	go vet -tags gcs ./internal/archive
	$(GOLANGCI_LINT) run ./...

.PHONY: prose
prose: ## vale on the documents; the rules are in .ci/vale, which have to refuse .ci/vale/refused.md
	@paragraphs=$$(grep -c '^[A-Z]' .ci/vale/refused.md); alerts=$$($(VALE) --output=line --no-exit .ci/vale/refused.md | wc -l); \
		test "$$alerts" -eq "$$paragraphs" || { echo "prose: $$alerts alerts for $$paragraphs paragraphs of .ci/vale/refused.md"; exit 1; }
	@$(VALE) $(PROSE)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	go run ./internal/testing/fuzzall -time $(FUZZTIME)

.PHONY: kafka
kafka: ## run Apache Kafka on loopback until Ctrl-C: BROKERS=1 or 3
	go run ./internal/testing/kafkacluster/kafkaup -brokers $(BROKERS)

.PHONY: test-kafka
test-kafka: build ## the end-to-end tests on Apache Kafka, three brokers
	COEXSTREAM_TEST_KAFKA=1 go test -v -count=1 -p 1 -timeout 20m ./internal/testing/kafkacluster/...

.PHONY: test-sinks
test-sinks: ## the sinks' suite with processes that are killed, suspended and scaled, on SQLite, PostgreSQL, the archive and a receiver of webhooks
	COEXSTREAM_TEST_SINKS=1 go test -v -count=1 -timeout 10m -run 'TestProcesses|Locked' ./sinks/sqlite ./sinks/postgres ./sinks/archive ./sinks/webhook

.PHONY: test-schemas
test-schemas: ## let code generators and the AsyncAPI parser read the schemas; compile what they make, read events with it
	COEXSTREAM_TEST_SCHEMAS=1 go test -v -count=1 ./internal/testing/generators

.PHONY: test-archive
test-archive: ## the archive on an emulator of Azure; DuckDB and ClickHouse read its Parquet objects
	COEXSTREAM_TEST_ARCHIVE=1 go test -v -count=1 -timeout 15m -run 'DuckDB|Buckets|OneOfMany|Begins|Tail|Union|TwoWriters' ./internal/archive ./sinks/archive

.PHONY: test-chart
test-chart: ## render the profiles of the Helm chart, and hold them against the schemas of Kubernetes
	COEXSTREAM_TEST_CHART=1 go test -v -count=1 ./internal/testing/chart

.PHONY: test-kube
test-kube: ## install the profiles of the Helm chart on a real Kubernetes node; needs Linux and root. The first run builds Kubernetes
	COEXSTREAM_TEST_KUBE=1 go test -v -count=1 -p 1 -timeout 40m ./internal/testing/kube/...

.PHONY: test-alerts
test-alerts: ## the rules of docs/alerts.yaml on simulated series, by the rule engine of Prometheus
	cd internal/testing/alerting && go vet ./... && go test -count=1 ./...

.PHONY: slos
slos: ## write docs/slo-rules.yaml from docs/slos.yaml, by Sloth
	go run github.com/slok/sloth/cmd/sloth@v0.16.0 generate --no-log -i docs/slos.yaml -o docs/slo-rules.yaml
	cp docs/slo-rules.yaml helm/coexstream/files/slo-rules.yaml

.PHONY: crash
crash: build ## simulate and check against `up`, which is killed -9 three times in between; the same with damaged logs, and with damaged event topics alone
	go run ./internal/testing/crash -binary ./coexstream
	go run ./internal/testing/crash -binary ./coexstream -kills 1 -every 200 -businesses 10 -messages 40000 \
		-rot raw.live,raw.bulk,messages,history,echoes,account,state
	go run ./internal/testing/crash -binary ./coexstream -kills 1 -every 200 -businesses 5 -messages 20000 \
		-rot messages,history,echoes,account,state

.PHONY: memory
memory: build ## one history of 1,000,000 messages, 3 MB chunks in random order: `up` has to stay within 400 MiB
	go run ./internal/testing/crash -binary ./coexstream -kills 0 -businesses 1 -messages 1000000 -peak-max 400 -wait 10m -simulate \
		"--chunk-bytes-min 2900000 --chunk-bytes-max 3000000 --shuffle-window 0 --second-number 0 --declines 0 --reonboard 0 --dialog 0"

.PHONY: hostile
hostile: ## search for webhooks that cost more than their bytes: SEED=, MINUTES=
	go run ./internal/testing/hostile -seed $(or $(SEED),0) -minutes $(or $(MINUTES),1)

.PHONY: chaos
chaos: ## faults from a seed against Apache Kafka, ingress and processors, then check: SEED=, MINUTES=
	go run ./internal/testing/chaos -seed $(or $(SEED),0) -minutes $(or $(MINUTES),2)

.PHONY: test-faults
test-faults: ## each kind of fault alone, against Apache Kafka
	COEXSTREAM_TEST_KAFKA=1 go test -count=1 -timeout 30m ./internal/testing/chaos

.PHONY: chaos-proof
chaos-proof: ## the same with processors that commit offsets outside the transaction: check has to find it
	go run ./internal/testing/chaos -broken -seed $(or $(SEED),0) -minutes 1 -only processor -wait 20s

.PHONY: bench
bench: build ## compare with the limit, with peers and with the goals; ONLY=match,match SHORT=1 BENCH="more flags"
	go run ./bench/run $(if $(ONLY),-only $(ONLY)) $(if $(SHORT),-short) $(BENCH)

.PHONY: instructions
instructions: valgrind ## compare allocations and instructions of the hot paths with their budgets; RENEW=1 writes new ones
	go test -count=1 -run '^TestCosts$$' $(GUARDED) -costs=$(if $(RENEW),renew,all)

.PHONY: valgrind
valgrind: # the tests say SKIP where it cannot be installed
	@command -v valgrind >/dev/null || { apt-get update && apt-get install -y --no-install-recommends valgrind; } >/dev/null 2>&1 || true

.PHONY: mutation
mutation: ## change pure packages by one operator at a time; tests have to fail for 85 % of the changes: ONLY="package package"
	@failed=; for package in $(or $(ONLY),$(MUTATED)); do echo "== $$package"; \
		GOFLAGS="-short -vet=off" $(GREMLINS) unleash --config .ci/gremlins.yaml ./$$package || failed="$$failed $$package"; \
		done; test -z "$$failed" || { echo "mutation: below the threshold of .ci/gremlins.yaml:$$failed"; exit 1; }

.PHONY: flamegraphs
flamegraphs: build ## draw CPU profiles of ingress and processor into docs/flamegraphs
	go run ./bench/run -flamegraphs docs/flamegraphs -turn 10s $(BENCH)

.PHONY: microbench
microbench: ## Go benchmarks of the hot paths
	go test -run '^$$' -bench . -benchmem ./ingress/... ./processors/... ./schemas
