"""Where the workflow writes what: a path is a full specification of what lies there."""

RESULTS = "<results>"  # Snakemake's name for results/{preset}

MODEL = "<results>/models/{dataset}/{arch}/{training}/model.safetensors"
TRAINING_LOG = "<results>/models/{dataset}/{arch}/{training}/model.log.csv"
SNAPSHOTS = "<results>/models/{dataset}/{arch}/{training}/snapshots"
PUBLISHED_MODEL = "<results>/published/{dataset}/{arch}/{training}.safetensors"
DATA = "<results>/data/{dataset}.json"
# What a published certificate table says, and budgets on the votes behind it
PUBLISHED = "<results>/published-certificates/{name}.csv"
SCALES = "<results>/scales/{dataset}/{arch}/{training}/{noise}/{search}.tsv"
ROUTER = "<results>/routers/{dataset}/{arch}/{training}/{noise}/{scaling}/router.safetensors"
RADIUS_TABLE = "<results>/radius-tables/{shape}/{d}.json"
STORE = "<results>/votes/{dataset}/{arch}/{training}/{noise}/{scaling}"
CERTIFICATES = "<results>/certificates/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.tsv"
MEMORY = "<results>/memory/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.tsv"

# Of runs that are sampled for their own budget alone
LIVE_STORE = "<results>/live/votes/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}"
LIVE_CERTIFICATES = (
    "<results>/live/certificates/{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}.tsv"
)
