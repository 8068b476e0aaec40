#!/usr/bin/awk -f
# SPDX-License-Identifier: MIT
# kernel-doc.awk - turns kernel-doc comments into what doxygen reads
#
# Three kinds of comment: of a function ("name() - purpose", "@x:" parameters),
# of a type ("struct name - purpose", "@x:" fields), of a field ("@name: ...").
# A plain comment right above something, or behind a field, is its description.

function references(text) {
	gsub(/&struct /, "struct ", text)
	while (match(text, /&[a-z]/))
		text = substr(text, 1, RSTART - 1) substr(text, RSTART + 1)
	while (match(text, /@[A-Za-z_][A-Za-z0-9_]*/))
		text = substr(text, 1, RSTART - 1) "\001p " \
		       substr(text, RSTART + 1)
	gsub(/\001/, "@", text)
	return text
}

function named(text) {
	return match(text, /^@[A-Za-z_][A-Za-z0-9_]*: */)
}

# The first line says which kind it is.
function first_line(text) {
	is_type = 0
	if (named(text))
		return references(substr(text, RLENGTH + 1))
	is_type = text ~ /^(struct|enum|union) /
	if (match(text, /^(struct |enum |union )?[A-Za-z0-9_]+(\(\))? - /))
		return "@brief " references(substr(text, RLENGTH + 1))
	return references(text)
}

function later_line(text,	name) {
	if (named(text)) {
		name = substr(text, 2, index(text, ":") - 2)
		text = references(substr(text, RLENGTH + 1))
		return is_type ? "- **" name "**: " text \
			       : "@param " name " " text
	}
	if (sub(/^Return: */, "", text))
		return "@return " references(text)
	if (match(text, /^(Context|Differs from the kernel): */))
		return "**" substr(text, 1, index(text, ":") - 1) ":** " \
		       references(substr(text, RLENGTH + 1))
	return references(text)
}

# The first two lines of a file: its licence, and what it is for.
FNR == 1 && /SPDX/ {
	print "/** @file"
	next
}

FNR == 2 && match($0, /^\/\* [a-z.-]+ - /) {
	body = substr($0, RLENGTH + 1)
	sub(/ *\*\/.*/, "", body)
	print " * @brief " body " */"
	next
}

!inside && /^[ \t]*\/\*\*/ {
	inside = 1
	seen = 0
	body = $0
	sub(/^[ \t]*\/\*\* */, "", body)
	last = sub(/ *\*\/.*/, "", body)
	if (body != "") {
		body = first_line(body)
		seen = 1
	}
	print "/** " body (last ? " */" : "")
	if (last)
		inside = 0
	next
}

inside {
	body = $0
	last = sub(/ *\*\/.*/, "", body)
	sub(/^[ \t]*\* ?/, "", body)
	if (body ~ /[^ \t]/) {
		body = seen ? later_line(body) : first_line(body)
		seen = 1
	}
	print " * " body (last ? " */" : "")
	if (last)
		inside = 0
	next
}

# Plain comments at the margin wait for the line that follows them.
/^\/\*/ {
	plain = $0
	while ($0 !~ /\*\// && (getline) > 0)
		plain = plain "\n" $0
	next
}

plain != "" {
	print ($0 == "" ? plain : "/**" references(substr(plain, 3)))
	plain = ""
}

/[;,][ \t]*\/\*.*\*\/$/ {
	match($0, /\/\*/)
	$0 = substr($0, 1, RSTART - 1) "/**<" references(substr($0, RSTART + 2))
}

{ print }
