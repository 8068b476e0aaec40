#!/bin/sh
# SPDX-License-Identifier: MIT
# test.sh - framepipe with good pictures, bad input and dying processes
#
# usage: test.sh FRAMEPIPE PICTURE.png
#
# A good run writes a PNG of the expected size, which framepipe can read again.
# A bad one ends in one line and status 1, and leaves no file behind.

framepipe=$(realpath "$1")
picture=$(realpath "$2")
if [ ! -x "$framepipe" ] || [ ! -s "$picture" ]; then
	echo "usage: $0 FRAMEPIPE PICTURE.png" >&2
	exit 1
fi

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
mkdir "$scratch/in" "$scratch/out" "$scratch/else" &&
	mkfifo "$scratch/in/pipe" && cd "$scratch/out" || exit 1
failures=0

fail()
{
	echo "FAIL: $*"
	[ ! -s ../stdout ] || sed 's/^/    stdout: /' ../stdout
	[ ! -s ../stderr ] || sed 's/^/    stderr: /' ../stderr
	failures=$((failures + 1))
}

run()
{
	timeout -k 5 60 "$framepipe" "$@" >../stdout 2>../stderr </dev/null
}

# Width and height of a PNG file, from its IHDR chunk.
dimensions()
{
	od -An -v -t u1 -j 16 -N 8 "$1" | awk '{
		print (($1 * 256 + $2) * 256 + $3) * 256 + $4 " " \
		      (($5 * 256 + $6) * 256 + $7) * 256 + $8 }'
}

# good WIDTH HEIGHT ARGUMENTS...: the output is framepipe.png of that size.
good()
{
	expected="$1 $2"
	shift 2
	rm -f framepipe.png
	run "$@"
	status=$?
	if [ $status -ne 0 ] || [ -s ../stderr ]; then
		fail "framepipe $*: status $status"
	elif [ "$(ls -A)" != framepipe.png ]; then
		fail "framepipe $*: files: $(ls -A)"
	elif [ "$(dimensions framepipe.png)" != "$expected" ]; then
		fail "framepipe $*: not $expected"
	else
		echo "ok: framepipe${*:+ }$*: $expected"
	fi
}

# bad PATTERN ARGUMENTS...: one line like PATTERN, and an older output stays.
bad()
{
	pattern=$1
	shift
	echo "older output" >framepipe.png
	run "$@"
	status=$?
	if [ $status -ne 1 ]; then
		fail "framepipe $*: status $status, not 1"
	elif [ "$(wc -l <../stderr)" -ne 1 ] ||
	     ! grep -q "^framepipe: .*$pattern" ../stderr; then
		fail "framepipe $*: not one line with '$pattern'"
	elif [ "$(ls -A)" != framepipe.png ] ||
	     [ "$(cat framepipe.png)" != "older output" ] ||
	     [ -n "$(find .. -name '*.tmp')" ]; then
		fail "framepipe $*: files: $(find ..)"
	else
		echo "ok: $(cat ../stderr)"
	fi
}

# Good pictures of all kinds

size=$(dimensions "$picture")
set -- "${size% *}" "${size#* }"
good $((2 * $1 + 24)) $(($2 + 16)) "$picture"
for line in "^same inode in every process:" "^releases, .* 1. result, 2. picture" \
	    "^bytes through the sockets:  *720 " "counter 1 2 3, one address" \
	    "^fences that kept the order:  *30, " \
	    "^seen as they were written:  *6 pictures .* 6 results "; do
	grep -q "$line" ../stdout || fail "no line like '$line'"
done
mv framepipe.png ../in/again.png
good $((4 * $1 + 72)) $(($2 + 32)) ../in/again.png
good $((2 * $1 + 24)) $(($2 + 16))
good $((2 * $1 + 24)) $(($2 + 16)) -o ./framepipe.png "$picture"

{	# grey, one bit a pixel
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000'
	printf '\005\000\000\000\003\001\000\000\000\000sM\370U\000\000'
	printf '\000\016IDATx\332cX\301\020\300\260\002\000\004\346\001'
	printf '\241\356qOc\000\000\000\000IEND\256B`\202'
} >../in/grey.png
good 34 19 ../in/grey.png

{	# palette with transparency
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000'
	printf '\002\000\000\000\002\010\003\000\000\000Eh\375\026\000\000'
	printf '\000\006PLTE\377\000\000\000\000\377l\241\375\216\000\000'
	printf '\000\001tRNS\200\255^[F\000\000\000\014IDATx\332c``\004B'
	printf '\000\000\014\000\003\025\236\030\374\000\000\000\000IEND'
	printf '\256B`\202'
} >../in/palette.png
good 28 18 ../in/palette.png

{	# a single pixel, 16 bits a colour
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000'
	printf '\001\000\000\000\001\020\006\000\000\000O\205\030\312\000'
	printf '\000\000\021IDATx\332c\370\377\277\201\201\201\341\377\177'
	printf '\000\024\367\004}m\003\306\025\000\000\000\000IEND\256B`'
	printf '\202'
} >../in/deep.png
good 26 17 ../in/deep.png

{	# grey with alpha, interlaced
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000'
	printf '\003\000\000\000\003\010\004\000\000\001\213&M\242\000\000'
	printf '\000\032IDATx\332c`\370\317p\342?\003\303\177 \221\002F'
	printf '\014\377S\200\034\000\211a\014|\201\032\235\312\000\000'
	printf '\000\000IEND\256B`\202'
} >../in/interlaced.png
good 30 19 ../in/interlaced.png

# Any number of frames: a line for each and every process, and as many fences

for frames in 1 2 3 25; do
	good $((2 * $1 + 24)) $(($2 + 16)) -n $frames "$picture"
	grep -q "^bytes through .* $((frames * 120)) " ../stdout ||
		fail "$frames frames: other messages"
	grep -q "^seen as .* $frames pictures .* $frames results" ../stdout ||
		fail "$frames frames: other pixels"
	[ "$(grep -c '|.*#.*|' ../stdout)" -eq $((frames * 3)) ] ||
		fail "$frames frames: other lines"
done
good $((2 * $1 + 24)) $(($2 + 16)) --frames=2 "$picture"

# Files that are no picture

: >../in/empty.png
echo "this is text" >../in/text.png
bad "No such file" ../in/missing.png
bad "irectory" ../in
bad "pipe': is not a regular file" ../in/pipe
bad "not a PNG" ../in/empty.png
bad "not a PNG" ../in/text.png

# Cut at every interesting place: signature, header, data, tail

size=$(wc -c <"$picture")
for length in 4 8 20 33 100 $((size / 2)) $((size - 14)) $((size - 12)) \
	      $((size - 1)); do
	head -c "$length" "$picture" >../in/cut.png
	bad "cut.png.: \(not a PNG\|the file is cut short\)" ../in/cut.png
done

# A byte changed in the middle: its checksum is wrong

cp "$picture" ../in/changed.png
printf 'XXXX' | dd of=../in/changed.png bs=1 seek=$((size / 2)) conv=notrunc \
	2>/dev/null
bad "changed.png" ../in/changed.png

# Sizes that cannot be, with right checksums

{	# 0 x 0
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000'
	printf '\000\000\000\000\000\010\002\000\000\000\264\351\353E\000'
	printf '\000\000\010IDATx\332\003\000\000\000\000\001o\335\311\221'
	printf '\000\000\000\000IEND\256B`\202'
} >../in/nothing.png
bad "width is zero" ../in/nothing.png

# shellcheck disable=SC2016 # the bytes are no variable
{	# 0 x 5
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000'
	printf '\000\000\000\000\005\010\002\000\000\000\344$z\366\000\000'
	printf '\000\010IDATx\332\003\000\000\000\000\001o\335\311\221\000'
	printf '\000\000\000IEND\256B`\202'
} >../in/flat.png
bad "width is zero" ../in/flat.png

{	# 2147483647 x 2147483647
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\177\377\377'
	printf '\377\177\377\377\377\010\006\000\000\000\024\311\013f\000'
	printf '\000\000\011IDATx\332c\000\000\000\001\000\001\261\015\266'
	printf '\223\000\000\000\000IEND\256B`\202'
} >../in/huge.png
bad "width exceeds" ../in/huge.png

{	# 30000 x 30000
	printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000u0\000'
	printf '\000u0\010\006\000\000\000f\047\370\272\000\000\000\011IDA'
	printf 'Tx\332c\000\000\000\001\000\001\261\015\266\223\000\000'
	printf '\000\000IEND\256B`\202'
} >../in/large.png
bad "64 million" ../in/large.png

# Processes that die, outputs that cannot be, commands that make no sense

# victim WHO FRAME WITNESS ARGUMENTS...: the witness waits for a fence of WHO,
# which fails, and nobody finishes the frame.
victim()
{
	who=$1 frame=$2 witness=$3
	shift 3
	wait="the $witness waited for the $who's fence of frame $frame"
	bad "the $who died: .*; $wait: Owner died" --kill "$who" "$picture" "$@"
	grep -q "^ .* $who *|.*X *| died" ../stdout ||
		fail "no line says that the $who died"
	grep -q "|.*| .* ms: .*$who $frame!" ../stdout ||
		fail "nobody is seen waiting for the dead $who"
	! grep -q "^same inode" ../stdout || fail "a death proves nothing"
}

victim decoder 3 filter
victim filter 3 viewer
victim viewer 3 decoder
victim decoder 1 filter -n 2
victim filter 1 viewer -n 2
victim viewer 1 '\(decoder\|filter\)' -n 2
victim filter 20 viewer -n 40
bad "the decoder died" --kill decoder -n 1 "$picture"
bad "the filter died" --kill filter -n 1 "$picture"
bad "No such file" -o missing/out.png "$picture"
bad "irectory" -o ../in "$picture"
bad "pipe': is not a regular file" -o ../in/pipe "$picture"
bad "needs a file name" -o ''
bad "-o needs a file name" "$picture" -o
bad "--output needs a file name" "$picture" --output
bad "nobody" --kill nobody "$picture"
bad "needs a process" --kill
for frames in 0 1001 -1 x 3x 0x3 '' ' 3' 99999999999999999999; do
	bad "is no number of frames" --frames "$frames" "$picture"
done
bad "-n needs a number" "$picture" -n
bad "--frames needs a number" "$picture" --frames
bad "--timeline needs a file name" "$picture" --timeline
bad "--timeline needs a file name" --timeline '' "$picture"
bad "No such file" --timeline missing/out.svg "$picture"
bad "irectory" --timeline ../in "$picture"
bad "pipe': is not a regular file" --timeline ../in/pipe "$picture"
bad "is the other output too" --timeline framepipe.png "$picture"
bad "is the other output too" --timeline ../out/framepipe.png "$picture"
bad "not a PNG" --timeline drawn.svg ../in/text.png
bad "'-t' is not understood" -t "$picture"
bad "'--frobnicate' is not understood" --frobnicate
bad "'-x' is not understood" -xh
bad "one picture" "$picture" "$picture"
[ -p ../in/pipe ] || fail "the pipe is one no more"

# The place of the output: behind symbolic links, with the mode of an older file

written()
{
	grep -q "^written: .* $(realpath "$scratch")/$1\$" ../stdout ||
		fail "$2: no line that $1 was written"
}

rm -f framepipe.png
for option in -o -o./ --output= --out= ; do
	# shellcheck disable=SC2086 # a word, or two
	case $option in
	-o) run "$picture" -o ../else/new.png ;;
	*) run "$picture" "${option%./}../else/new.png" ;;
	esac
	written else/new.png "$option"
	[ "$(dimensions ../else/new.png)" ] || fail "$option: no picture"
	[ "$(stat -c %a ../else/new.png)" = "$(touch ../mode &&
		stat -c %a ../mode)" ] || fail "$option: not the usual mode"
	rm -f ../else/new.png
done

# linked NAME: the output through the link is ../else/NAME
linked()
{
	run "$picture" -o link.png || fail "a link to $1: not written"
	if [ ! -L link.png ]; then
		fail "a link to $1: the link is gone"
	elif [ "$(ls -A)" != link.png ] || [ "$(ls -A ../else)" != "$1" ]; then
		fail "a link to $1: files: $(find ..)"
	else
		written "else/$1" "a link to $1"
	fi
}

ln -s ../else/first link.png && ln -s second ../else/first
run "$picture" -o link.png || fail "a link to nothing: not written"
written else/second "a link to nothing"
for link in link.png ../else/first; do
	[ -L "$link" ] || fail "a link to nothing: $link is gone"
done
rm ../else/first ../else/second link.png

echo "older output" >../else/private.png
chmod 600 ../else/private.png
ln -s ../else/private.png link.png
linked private.png
[ "$(stat -c %a ../else/private.png)" = 600 ] || fail "mode 0600 is not kept"
ln -sf link.png link.png
run "$picture" -o link.png && fail "a link to itself: written"
rm link.png
echo "ok: links and modes"

# The drawing: an arrow for each fence that somebody slept for

rm -f framepipe.png
drawn()
{
	what=$1 status=$2 files=$3
	shift 3
	run --timeline drawn.svg "$picture" "$@"
	[ $? -eq "$status" ] || fail "$what: not status $status"
	[ "$(find . -type f -o -type l | sort | tr '\n' ' ')" = "$files " ] ||
		fail "$what: files: $(ls -A)"
	[ "$(head -c 5 drawn.svg)$(tail -n 1 drawn.svg)" = "<svg </svg>" ] ||
		fail "$what: no whole drawing"
}

drawn "a drawing" 0 "./drawn.svg ./framepipe.png" -n 9
[ "$(grep -c '^<path .* C' drawn.svg)" = "$(sed -n \
	's/^fences that kept .* of which \([0-9]*\) .*/\1/p' ../stdout)" ] ||
	fail "a drawing with other arrows"
[ "$(grep -c '<rect .* height="38.0" fill="#' drawn.svg)" -eq 27 ] ||
	fail "a drawing with other work"
grep -q ": 9 frames" drawn.svg || fail "a drawing: frames are missing"
! grep -q "a fence that failed" drawn.svg || fail "a drawing: red, but why"
rm framepipe.png
drawn "a death" 1 ./drawn.svg --kill filter
[ "$(grep -c '>died<' drawn.svg)" -eq 1 ] || fail "a drawing without a death"
grep -q ": [0-9] of 6 frames" drawn.svg || fail "a death: all frames are there"
grep -q "a fence that failed" drawn.svg || fail "a death: nothing about red"
grep -q "^drawn: .* $(realpath "$scratch")/out/drawn.svg\$" ../stdout ||
	fail "a death: no line that it was drawn"
echo "older drawing" >../else/older.svg
ln -sf ../else/older.svg drawn.svg
drawn "a link" 0 "./drawn.svg ./framepipe.png"
[ -L drawn.svg ] || fail "a link: it is gone"
grep -q "^drawn: .* $(realpath "$scratch")/else/older.svg\$" ../stdout ||
	fail "a link: no line that it was drawn"
run --timeline drawn.svg -o ../else/older.svg "$picture" &&
	fail "a link to the other output: written"
rm -f drawn.svg framepipe.png ../else/older.svg
echo "ok: drawings"

# Nobody listens

"$framepipe" "$picture" >&- 2>../stderr
status=$?
if [ $status -ne 1 ] || [ "$(wc -l <../stderr)" -ne 1 ] ||
   ! grep -q "standard output" ../stderr || [ "$(ls -A)" ]; then
	fail "standard output closed: status $status, files: $(ls -A)"
fi
"$framepipe" --help >&- 2>../stderr && fail "help to nobody: status 0"
run --help || fail "--help: status not 0"
grep -q -- "--output" ../stdout || fail "--help: nothing about --output"

# A signal while it waits for somebody to read what it prints: the pipe is full

# shellcheck disable=SC3045 # every shell in use has it
ulimit -c 0
mkfifo ../full
exec 3<>../full
dd if=/dev/zero of=../full oflag=nonblock bs=4096 2>/dev/null
for signal in INT TERM HUP QUIT; do
	"$framepipe" "$picture" --timeline drawn.svg >../full 2>../stderr 3<&- &
	pid=$!
	until [ "$(ls -A)" ] || ! kill -0 $pid; do :; done
	kill -$signal $pid
	wait $pid 2>/dev/null
	status=$?
	if [ $status -le 128 ] || [ "$(kill -l $status)" != $signal ]; then
		fail "SIG$signal: status $status"
	fi
	[ -z "$(ls -A)" ] || fail "SIG$signal: files: $(ls -A)"
done
exec 3<&-

if [ $failures -ne 0 ]; then
	echo "$failures failed"
	exit 1
fi
echo "all passed"
