"""The wording of answers that several test modules expect, each sentence only here.

RunComfy's own sentences, such as the rules for images, are in `tests/facts` and in the models.
"""

TOOLS = ["generate_video", "check_status", "get_result", "cancel_job", "list_jobs", "join_clips"]
"""The tools in the order in which the server lists them."""

# Errors of RunComfy, followed by a reason in brackets.
NO_BALANCE = "The RunComfy account has no balance left"
NO_SUCH_REQUEST = "RunComfy has no such request for this account"
TOO_MANY_REQUESTS = "RunComfy received too many requests"
DID_NOT_ANSWER = "RunComfy did not answer"
NO_USABLE_ANSWER = "RunComfy sent no usable answer"
TOKEN_REJECTED = "RunComfy rejected the token"
REQUEST_REJECTED = "RunComfy rejected the request"
NOT_A_JSON_OBJECT = "RunComfy's answer is not a JSON object."

# Invalid calls; most follow the name of an argument.
NO_TOKEN = (
    'No RunComfy token is set. For Claude, put "env": {"RUNCOMFY_API_TOKEN": "<token>"} into this'
    " server's entry in the configuration file; in a shell, export RUNCOMFY_API_TOKEN=<token>."
    " Then restart the server. Create a token in your RunComfy profile. Nothing was charged."
)
NOT_A_RESOLUTION = 'resolution must be one of "480p", "720p", "1080p" (did you mean "480p"?).'
NOT_A_DURATION = "must be one of 5, 10."
NOT_A_WAIT = "must be a whole number from 0 to 900."
NOT_A_BOOLEAN = "must be true or false."
NOT_A_PROMPT = "must be a string of at most 1,900 characters."
PROMPT_TOO_LONG = "may have at most 1,900 characters; it has 1,901."

# Images and other files of a call, after the argument's name.
NOT_AN_IMAGE_URL = "must be the public https URL of an image; "
LOCAL_FILES_OFF = (
    "it does not begin with https://, and local files and data: URIs are off here, as they are over"
    " HTTP unless SEEDANCE_LOCAL_FILES=true: a path would name a file of the server's machine."
)
NOT_A_VIDEO_URL = "must be the public https URL of a video; "
NOT_AN_AUDIO_URL = "must be the public https URL of an audio file; "
ONLY_IMAGES = (
    "only images may be files of this machine or data: URIs, so upload it to a host that anyone can"
    " reach and pass its URL."
)
ONLY_URLS_DOCUMENTED = "sent as data; RunComfy documents only https URLs."
NOT_CHECKED = "could not be checked: "

# What the ledger knows.
NOT_SENT_AGAIN = "may charge for it; it was not sent again"
MAYBE_CHARGED = (
    f"RunComfy may have accepted this request and {NOT_SENT_AGAIN}. Ask the user to check the"
    " requests in their RunComfy account, and set force_new only if they agree to pay for another"
    " clip."
)
OUT_OF_DATE = "so this may be out of date"
STORED = "this is what was stored when the job ended"
DO_NOT_REPEAT = "do not call generate_video again"

# Limits.
JOBS_LIMIT_REACHED = "SEEDANCE_MAX_JOBS_PER_HOUR is reached:"
COST_LIMIT_UNUSABLE = "SEEDANCE_MAX_COST_USD_PER_DAY cannot be enforced:"

# Downloads.
TELL_SAVED = "Tell the user where the video was saved"
CONTINUE = "To continue it, pass seedance://jobs/%s/last-frame as an image."
PAID_FOR = "The clip is paid for and can be fetched again."
INCOMPLETE = "did not send the whole clip"
NOT_COMPLETE_YET = "It is not complete yet"
READS_COST = "it saves the video, whose URL may expire, and reads what it cost."
REUSED = "This is the job of an earlier identical call; force_new true buys another clip."


def cost_limit_exceeded(limit: str, total: str, estimate: str, why: str) -> str:
    """Return the error of a clip that would exceed the daily limit; amounts in USD."""
    return (
        f"SEEDANCE_MAX_COST_USD_PER_DAY is {limit}: the jobs of the last 24 h cost {total} USD, and"
        f" this clip is estimated at {estimate} USD; {why}. Nothing was charged."
    )


def allowed_from(time: str) -> str:
    """Return why a clip must wait for the daily limit, for `cost_limit_exceeded`."""
    return f"there will be room at {time} UTC"
