# SPDX-License-Identifier: MIT
# striped.awk - are the left halves of a picture's lines of one colour each?
#
# usage: od -An -v -tx1 -w$((3 * WIDTH)) PIXELS | awk -f striped.awk
# In bands of one height, of eight colours in turn; status 0 if so.

{
	colour = line = $1 $2 $3
	half = 6 * int(NF / 6)
	while (length(line) < half)
		line = line line
	gsub(/ /, "")
	if (substr($0, 1, half) != substr(line, 1, half))
		exit wrong = 1
	if (colour == last)
		next
	band[++bands] = NR
	last = name[bands] = colour
}

END {
	for (i = 1; i <= bands; i++) {
		if (i <= 8)
			colours += !seen[name[i]]++
		else if (name[i] != name[i - 8])
			wrong = 1
		if (i > 2 && band[i] - band[i - 1] != band[2] - 1)
			wrong = 1
	}
	exit wrong || bands < 16 || colours != 8
}
