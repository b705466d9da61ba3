# Gives a job a GPU for itself; read by each bash that Snakemake starts (BASH_ENV, config.yaml).
#
# A GPU is taken by the lock of a file, which the job's processes hold as long as one of them
# lives: also where Snakemake was killed and its jobs run on, and with several Snakemakes at once.
# Without a free GPU the job waits. A folder for each user: between users nothing is agreed.

unset BASH_ENV # a job's own scripts keep its GPU

case ${BASH_EXECUTION_STRING-} in
    # the commands that use a GPU
    *"smoothcert train "* | *"smoothcert sample "* | *"smoothcert scales "* | *"smoothcert lbrs image "* | \
    *"smoothcert router "* | *"smoothcert selftest "* | *"smoothcert audit "*" --model "*)
        locks=/tmp/smoothcert-gpus-$(id -u)
        mkdir -p -m 700 "$locks"
        taken=
        while [ -z "$taken" ]; do
            for gpu in $SMOOTHCERT_GPUS; do
                exec {lock}> "$locks/${gpu//\//-}"
                if flock --nonblock "$lock"; then
                    taken=$gpu
                    break
                fi
                exec {lock}>&-
            done
            [ -n "$taken" ] || sleep 0.5
        done
        export CUDA_VISIBLE_DEVICES=$taken
        unset locks taken gpu lock
        ;;
    *)
        export CUDA_VISIBLE_DEVICES= # tables and figures leave the GPUs alone
        ;;
esac
