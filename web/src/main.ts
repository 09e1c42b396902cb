import { showLocalTime } from "./figures";

for (const time of document.querySelectorAll("time")) {
  showLocalTime(time);
}

const place = document.getElementById("upload");
if (place !== null) {
  // Only the page of a run needs it, and it is by far the most of the script.
  import("./upload/dashboard").then(
    ({ startUploading }) => {
      startUploading(place);
    },
    (error: unknown) => {
      place.textContent =
        "The part of this page that uploads could not be loaded. Reload the page.";
      throw error;
    },
  );
}
