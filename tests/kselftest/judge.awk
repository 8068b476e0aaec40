# SPDX-License-Identifier: MIT
# judge.awk - from reports of selftests: which passed, and which did not
#
# usage: awk -F '|' -f judge.awk EXCEPTIONS REPORT...
# A report starts with "=== RUN|PROGRAM" and ends with "=== status N"; between
# is what the program printed, in TAP. Runs "bare ...", "huge ..." and "full ..."
# are of the kernel itself: without what not every machine has, with huge pages,
# and with all. The others are of dmabuf-run; what is not ok there is held
# against the kernel that lacks the same.

# Debian's kernel has no SW_SYNC: it tells nothing about that test.
BEGIN { unknown["sync_test"] = 1 }

FILENAME == ARGV[1] {
	why[$1, ++nr_why[$1]] = $3
	start[$1, nr_why[$1]] = $2
	next
}

/^=== status / { status[run] = substr($0, 12) + 0; next }
/^=== / {
	run = substr($0, 5)
	program[run] = $2
	who[run] = run ~ /user/ ? "user" : "root"
	order[++nr] = run
	next
}

/^1\.\.[0-9]/ { plan[run] = substr($0, 4) + 0 }
/^1\.\.0 # SKIP / { deviate(run, substr($0, 13)) }
/^(not )?ok [0-9]/ {
	results[run]++
	if (/^ok/ && !/# SKIP/)
		oks[run]++
	else
		deviate(run, told($0))
}

function told(line) {
	sub(/^(not )?ok [0-9]+ (# SKIP )?/, "", line)
	return line
}

function deviate(run, text) {
	others[run, ++nr_others[run]] = text
	told_by[run, text] = 1
}

function exception(name, text,    i) {
	for (i = 1; i <= nr_why[name]; i++)
		if (index(text, start[name, i]) == 1)
			return i
	return 0
}

function complain(run, text) {
	failed++
	print "failed: " program[run] " (" label(run) "): " text
}

function excuse(run, text, reason) {
	skipped++
	print "skipped: " program[run] " (" label(run) "): " text ": " reason
}

function label(run) {
	sub(/\|.*/, "", run)
	return run
}

function look(run, name, bare,    i, text, known) {
	passed += oks[run]
	bare = run ~ /on 6.12/ ? "huge " : "bare "
	bare = bare who[run] "|" name
	for (i = 1; i <= nr_others[run]; i++) {
		text = others[run, i]
		known = exception(name, text)
		if ((bare, text) in told_by && known)
			excuse(run, text, why[name, known])
		else if (known)
			complain(run, text ", which the kernel passes")
		else
			complain(run, text)
	}
	if (status[run] && !nr_others[run])
		complain(run, "ended with status " status[run])
	else if (!oks[run] && !nr_others[run])
		complain(run, "no test at all")
}

END {
	for (i = 1; i <= nr; i++)
		if (results[order[i]] < plan[order[i]])
			deviate(order[i],
				"no line for test " results[order[i]] + 1)
	for (i = 1; i <= nr; i++) {
		run = order[i]
		if (run !~ /^(bare|huge|full) /) {
			look(run, program[run])
			runs++
		} else if (run ~ /^full root/ && status[run] &&
			   !(program[run] in unknown))
			complain(run,
				"the kernel itself ends with " status[run])
	}
	if (!runs) {
		failed++
		print "failed: nothing ran"
	}
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed || !passed
}
