# Runs a command in the guest for `lodge exec`: the agent keeps 16 MiB of what a program prints, and tells it only at
# the end; files can be read while it runs, and are as long as need be.
# arguments: a folder of its own, the file for standard input ("": none), how many NAME=VALUE follow, these, the command
dir=$1 input=$2 count=$3
shift 3
[ -d "$dir" ] || mkdir -m 700 "$dir" || exit 126
while [ "$count" -gt 0 ]; do
    export "$1"
    shift
    count=$((count - 1))
done
echo $$ >"$dir/pid"
[ -z "$input" ] || exec <"$input"
exec >"$dir/out" 2>"$dir/err"
# A session of its own, so that all that it starts can be ended with it.
command -v setsid >/dev/null 2>&1 && exec setsid "$@"
exec "$@"
