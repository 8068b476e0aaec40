# SPDX-License-Identifier: MIT
# compare.awk - what dmabuf-compliance says of Linux, and of dmabuf-run
#
# usage: awk [-v partial=yes] -f compare.awk LISTED KERNEL DMABUF-RUN
# A line is "ok|FAIL|skip ROW[ [HEAP]]: text". Rows that are LISTED have to
# differ, others may not. A row that the kernel skips, or that is of a heap it
# has not, tells nothing of ours but that it must not fail; with partial such a
# row may be listed, as it is for another kernel. Rows that both skip may always
# be: they are of something that this machine lacks.

FILENAME == ARGV[1] { listed[$1] = 1; next }
!/^(ok|FAIL|skip) / { next }
{
	key = $0
	sub(/^[^ ]* +/, "", key)
	sub(/: .*/, "", key)
	if (!(key in seen))
		order[++nr] = key
	seen[key] = 1
}
FILENAME == ARGV[2] { kernel[key] = $0; next }
{ ours[key] = $0 }

function differs(real, own) {
	if (real ~ /^skip/ || real == "")
		return own ~ /^FAIL/
	return real != own
}

# Why nothing is known of a row: what the kernel said, or the heap it has not.
function reason(key) {
	if (kernel[key])
		return substr(kernel[key], index(kernel[key], ": ") + 2)
	sub(/.*\[/, "", key)
	sub(/\].*/, "", key)
	return "the kernel has no heap " key
}

END {
	for (i = 1; i <= nr; i++) {
		key = order[i]
		row = key
		sub(/ .*/, "", row)
		met[row] = 1
		if (differs(kernel[key], ours[key])) {
			differed[row] = 1
			if (row in listed) {
				passed++
				continue
			}
			failed++
			print "differs: " key
			print "    kernel:     " (kernel[key] ? \
				kernel[key] : "has no such row")
			print "    dmabuf-run: " (ours[key] ? \
				ours[key] : "has no such row")
		} else if (kernel[key] ~ /^skip/ || !kernel[key]) {
			skipped++
			why[reason(key)]++
			if (partial || ours[key] ~ /^skip/)
				untold[row] = 1
		} else {
			passed++
		}
	}
	for (row in listed) {
		if (row in differed || row in untold)
			continue
		failed++
		print "listed, but " (row in met ? "does not differ" : \
			"no such row") ": " row
	}
	for (text in why)
		print "skipped: " why[text] " rows: " text
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed || !passed
}
